//! What is in no server's lineage: builds, scripts, people's sessions, package managers.

use crate::machine::{INIT, Machine};
use crate::programs::{program, shell};
use anyhow::Result;
use sensor_common::file::file_flags;
use sensor_common::key::ProcessKey;
use sensor_common::record::Kind;

const USER: u32 = 1000;

/// Programs that scripts and people start.
const TOOLS: [(&str, &str); 16] = [
    ("/usr/bin/grep", "grep -q --fixed-strings pattern /srv/work/log/current"),
    ("/usr/bin/sed", "sed -n -e s/^version=//p /srv/work/release"),
    ("/usr/bin/cat", "cat /proc/loadavg"),
    ("/usr/bin/rm", "rm -f /tmp/work.lock"),
    ("/usr/bin/git", "git rev-parse --short HEAD"),
    ("/usr/bin/date", "date +%s"),
    ("/usr/bin/ls", "ls -l /srv/work"),
    ("/usr/bin/find", "find /srv/work/cache -type f -mmin +60 -delete"),
    ("/usr/bin/gawk", "awk {print$2}"),
    ("/usr/bin/curl", "curl -sf http://127.0.0.1:8080/health"),
    ("/usr/bin/mkdir", "mkdir -p /srv/work/out"),
    ("/usr/bin/tar", "tar --create --zstd --file /srv/work/out/release.tar.zst --directory /srv/work/build ."),
    ("/usr/bin/python3.11", "python3 /srv/work/tools/report.py --format json --output /srv/work/out/report.json"),
    ("/usr/bin/systemctl", "systemctl is-active --quiet shop.service"),
    ("/usr/bin/sleep", "sleep 1"),
    ("/usr/bin/cut", "cut -d: -f1 /etc/passwd"),
];

/// Those who run for a long time.
pub struct Strangers {
    make: ProcessKey,
    script: ProcessKey,
}

impl Strangers {
    /// A build and a script begin.
    pub fn new(machine: &mut Machine) -> Result<Self> {
        let login = machine.start(INIT, program("/usr/bin/bash", "-bash", USER))?;
        let make = machine.start(login, program("/usr/bin/make", "make -j8 all", USER))?;
        let script = machine.start(INIT, program("/usr/bin/bash", "bash /srv/work/tools/watchdog.sh", USER))?;
        Ok(Self { make, script })
    }

    /// One of them does something.
    pub fn act(&self, machine: &mut Machine) -> Result<()> {
        match machine.random.u32(0..100) {
            0..35 => self.compile(machine),
            35..95 => self.script(machine),
            95..99 => session(machine),
            _ => deploy(machine),
        }
    }

    fn compile(&self, machine: &mut Machine) -> Result<()> {
        let unit = machine.random.u32(0..5000);
        let flags = "-Wall -Wextra -O2 -g -fno-strict-aliasing -fstack-protector-strong -Iinclude -Iinclude/generated";
        let make = self.make;
        let recipe =
            machine.start(make, shell(&format!("cc {flags} -c -o out/unit{unit}.o src/unit{unit}.c"), USER))?;
        let line = format!("cc {flags} -c -o out/unit{unit}.o src/unit{unit}.c");
        let driver = machine.start(recipe, program("/usr/bin/x86_64-linux-gnu-gcc-12", &line, USER))?;
        let line = format!("/usr/lib/gcc/x86_64-linux-gnu/12/cc1 -quiet {flags} -o /tmp/cc{unit}.s src/unit{unit}.c");
        machine.run(driver, program("/usr/lib/gcc/x86_64-linux-gnu/12/cc1", &line, USER))?;
        let line = format!("as --64 -o out/unit{unit}.o /tmp/cc{unit}.s");
        machine.run(driver, program("/usr/bin/x86_64-linux-gnu-as", &line, USER))?;
        machine.exit(driver)?;
        machine.exit(recipe)
    }

    fn script(&self, machine: &mut Machine) -> Result<()> {
        for _ in 0..machine.random.u32(1..6) {
            let (executable, command) = TOOLS[machine.random.usize(..TOOLS.len())];
            machine.run(self.script, program(executable, command, USER))?;
        }
        Ok(())
    }
}

/// A person's shell, with a few commands.
fn session(machine: &mut Machine) -> Result<()> {
    let shell = machine.start(INIT, program("/usr/bin/bash", "-bash", USER))?;
    for _ in 0..machine.random.u32(2..8) {
        let (executable, command) = TOOLS[machine.random.usize(..TOOLS.len())];
        machine.run(shell, program(executable, command, USER))?;
    }
    machine.exit(shell)
}

/// A package manager puts files where servers load from.
fn deploy(machine: &mut Machine) -> Result<()> {
    let apt = machine.start(INIT, program("/usr/bin/apt-get", "apt-get install --yes php-intl", 0))?;
    let dpkg = machine.start(apt, program("/usr/bin/dpkg", "dpkg --unpack --auto-deconfigure php-intl.deb", 0))?;
    for _ in 0..4 {
        let name = format!("/usr/lib/php/20220829/module{}.so", machine.random.u32(0..100));
        machine.touch(dpkg, Kind::Open, &name, file_flags::WRITE | file_flags::CREATED)?;
        machine.touch(dpkg, Kind::Rename, &name, 0)?;
    }
    machine.exit(dpkg)?;
    machine.exit(apt)
}
