//! Servers of the catalogue, and what they do all day.

use crate::machine::{INIT, Machine};
use crate::programs::{program, shell};
use anyhow::Result;
use sensor_common::file::file_flags;
use sensor_common::key::ProcessKey;
use sensor_common::record::Kind;

const NEW: u32 = file_flags::WRITE | file_flags::CREATED;
const WEB: u32 = 33;

/// A running server.
#[derive(Clone, Copy)]
pub struct Server {
    /// What it is.
    pub product: &'static Product,
    /// Its first process.
    pub master: ProcessKey,
    /// One of its processes that does its work.
    pub worker: ProcessKey,
}

/// A server of the catalogue.
pub struct Product {
    executable: &'static str,
    command: &'static str,
    user: u32,
    work: fn(&mut Machine, &Server) -> Result<()>,
}

/// What servers do is done in turns: with so many servers, each of these runs several times.
pub const PRODUCTS: &[Product] = &[
    Product {
        executable: "/usr/sbin/nginx",
        command: "nginx: master process /usr/sbin/nginx -g daemon on; master_process on;",
        user: WEB,
        work: nginx,
    },
    Product {
        executable: "/usr/sbin/php-fpm8.2",
        command: "/usr/sbin/php-fpm8.2 --nodaemonize --fpm-config /etc/php/8.2/fpm/php-fpm.conf",
        user: WEB,
        work: php,
    },
    Product {
        executable: "/usr/lib/postgresql/15/bin/postgres",
        command: "/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql/15/main",
        user: 110,
        work: postgres,
    },
    Product { executable: "/usr/sbin/mariadbd", command: "/usr/sbin/mariadbd", user: 111, work: mariadb },
    Product {
        executable: "/usr/bin/redis-server",
        command: "/usr/bin/redis-server 127.0.0.1:6379",
        user: 112,
        work: redis,
    },
    Product { executable: "/usr/sbin/apache2", command: "/usr/sbin/apache2 -k start", user: WEB, work: apache },
    Product { executable: "/usr/bin/node", command: "node /srv/shop/server.js", user: 1001, work: application },
    Product {
        executable: "/usr/bin/python3.11",
        command: "/usr/bin/python3 /usr/bin/gunicorn --workers 4 shop.wsgi",
        user: 1002,
        work: application,
    },
    Product {
        executable: "/usr/lib/jvm/java-17-openjdk-amd64/bin/java",
        command: "/usr/lib/jvm/java-17-openjdk-amd64/bin/java -Djava.awt.headless=true -Xmx2g \
            -Dcatalina.base=/var/lib/tomcat10 -Dcatalina.home=/usr/share/tomcat10 -classpath \
            /usr/share/tomcat10/bin/bootstrap.jar org.apache.catalina.startup.Bootstrap start",
        user: 113,
        work: application,
    },
    Product {
        executable: "/usr/lib/postfix/sbin/master",
        command: "/usr/lib/postfix/sbin/master -w",
        user: 0,
        work: postfix,
    },
    Product { executable: "/usr/sbin/cron", command: "/usr/sbin/cron -f", user: 0, work: cron },
    Product { executable: "/usr/sbin/sshd", command: "sshd: /usr/sbin/sshd -D [listener]", user: 0, work: sshd },
];

/// The directories that the agent would watch for a server: kind of component, and path.
pub fn watches(server: &str) -> &'static [(&'static str, &'static str)] {
    match server {
        "nginx" => &[("native_module", "/usr/lib/nginx/modules"), ("config_loader", "/etc/nginx")],
        "php-fpm" => &[("script_docroot", "/var/www/html"), ("native_module", "/usr/lib/php/20220829")],
        "postgresql" => &[("native_module", "/usr/lib/postgresql/15/lib")],
        "mysql-mariadb" => &[("plugin", "/usr/lib/mysql/plugin")],
        "apache-httpd" => &[("script_docroot", "/var/www/html"), ("exec_script", "/usr/lib/cgi-bin")],
        "nodejs" | "python-wsgi" => &[("app_source", "/srv/shop")],
        "tomcat" => &[("webapp", "/var/lib/tomcat10/webapps")],
        _ => &[],
    }
}

impl Server {
    /// A server begins: a first process, and one that works.
    pub fn start(machine: &mut Machine, product: &'static Product) -> Result<Self> {
        let master = machine.start(INIT, program(product.executable, product.command, 0))?;
        machine.listen(master)?;
        let worker = machine.fork(master, product.user)?;
        Ok(Self { product, master, worker })
    }

    /// It does what it does.
    pub fn act(&self, machine: &mut Machine) -> Result<()> {
        (self.product.work)(machine, self)
    }
}

fn client(machine: &mut Machine) -> String {
    let [a, b, c] = [0; 3].map(|_| machine.random.u8(1..250));
    format!("203.{a}.{b}.{c}:{}", machine.random.u16(32_768..))
}

fn nginx(machine: &mut Machine, server: &Server) -> Result<()> {
    let client = client(machine);
    machine.accept(server.worker, &client)?;
    machine.connect(server.worker, "/run/php/php8.2-fpm.sock")?;
    if machine.random.u32(0..10) == 0 {
        let body = format!("/var/lib/nginx/body/{:010}", machine.random.u32(0..100_000));
        machine.touch(server.worker, Kind::Open, &body, NEW)?;
    }
    Ok(())
}

fn php(machine: &mut Machine, server: &Server) -> Result<()> {
    let worker = server.worker;
    machine.accept(worker, "/run/php/php8.2-fpm.sock")?;
    machine.connect(worker, "127.0.0.1:3306")?;
    let session = format!("/var/lib/php/sessions/sess_{:026x}", machine.random.u64(0..50_000));
    machine.touch(worker, Kind::Open, &session, file_flags::WRITE)?;
    match machine.random.u32(0..100) {
        0..10 => {
            let page = format!("/var/www/html/wp-content/cache/page{}.html", machine.random.u32(0..5000));
            machine.touch(worker, Kind::Open, &page, NEW)
        }
        10..14 => {
            let image = format!("/var/www/html/wp-content/uploads/2024/05/image{}.jpg", machine.random.u32(0..50_000));
            machine.touch(worker, Kind::Open, &image, NEW)?;
            let line = format!("convert {image} -resize 300x300 {image}.thumb");
            let convert = machine.start(worker, shell(&line, WEB))?;
            machine.run(convert, program("/usr/bin/convert", &line, WEB))?;
            machine.exit(convert)
        }
        14..16 => {
            let shell = machine.start(worker, shell("/usr/sbin/sendmail -t -i", WEB))?;
            let mail = machine.start(shell, program("/usr/sbin/sendmail", "/usr/sbin/sendmail -t -i", WEB))?;
            machine.run(mail, program("/usr/sbin/postdrop", "/usr/sbin/postdrop -r", WEB))?;
            machine.exit(mail)?;
            machine.exit(shell)
        }
        _ => Ok(()),
    }
}

fn postgres(machine: &mut Machine, server: &Server) -> Result<()> {
    let backend = machine.fork(server.master, server.product.user)?;
    for _ in 0..machine.random.u32(1..5) {
        let table = format!("/var/lib/postgresql/15/main/base/16384/{}", machine.random.u32(16_000..18_000));
        machine.touch(backend, Kind::Open, &table, file_flags::WRITE)?;
    }
    if machine.random.u32(0..50) == 0 {
        let archive = machine.start(backend, shell("test ! -f /mnt/wal/0001 && cp pg_wal/0001 /mnt/wal/0001", 110))?;
        machine.exit(archive)?;
    }
    machine.exit(backend)
}

fn mariadb(machine: &mut Machine, server: &Server) -> Result<()> {
    machine.accept(server.master, "127.0.0.1:45210")?;
    let table = format!("/var/lib/mysql/shop/table{}.ibd", machine.random.u32(0..300));
    machine.touch(server.master, Kind::Open, &table, file_flags::WRITE)?;
    let temporary = format!("/var/lib/mysql/tmp/#sql{:06x}.MAI", machine.random.u32(0..20_000));
    machine.touch(server.master, Kind::Open, &temporary, NEW)
}

fn redis(machine: &mut Machine, server: &Server) -> Result<()> {
    machine.accept(server.master, "127.0.0.1:50112")?;
    if machine.random.u32(0..50) == 0 {
        let saver = machine.fork(server.master, server.product.user)?;
        machine.touch(saver, Kind::Open, "/var/lib/redis/temp-4711.rdb", NEW)?;
        machine.touch(saver, Kind::Rename, "/var/lib/redis/dump.rdb", 0)?;
        machine.exit(saver)?;
    }
    Ok(())
}

fn apache(machine: &mut Machine, server: &Server) -> Result<()> {
    let client = client(machine);
    machine.accept(server.worker, &client)?;
    if machine.random.u32(0..20) == 0 {
        let mut image = program("/usr/bin/perl", "/usr/bin/perl -w /usr/lib/cgi-bin/status.cgi", WEB);
        image.script = Some("/usr/lib/cgi-bin/status.cgi".into());
        machine.run(server.worker, image)?;
    }
    Ok(())
}

fn application(machine: &mut Machine, server: &Server) -> Result<()> {
    let client = client(machine);
    machine.accept(server.master, &client)?;
    machine.connect(server.master, "10.0.3.7:5432")?;
    if machine.random.u32(0..4) == 0 {
        let address = format!("10.0.4.{}:6379", machine.random.u8(1..9));
        machine.connect(server.master, &address)?;
    }
    let file = format!("/var/tmp/shop/render{:08x}", machine.random.u32(0..50_000));
    machine.touch(server.master, Kind::Open, &file, NEW)
}

fn postfix(machine: &mut Machine, server: &Server) -> Result<()> {
    let smtpd =
        machine.start(server.master, program("/usr/lib/postfix/sbin/smtpd", "smtpd -n smtp -t inet -u", 114))?;
    let client = client(machine);
    machine.accept(smtpd, &client)?;
    let cleanup =
        machine.start(server.master, program("/usr/lib/postfix/sbin/cleanup", "cleanup -z -t unix -u", 114))?;
    let message = format!("/var/spool/postfix/incoming/{:010X}", machine.random.u32(0..1_000_000));
    machine.touch(cleanup, Kind::Open, &message, NEW)?;
    machine.touch(cleanup, Kind::Rename, &message, 0)?;
    machine.exit(cleanup)?;
    machine.exit(smtpd)
}

fn cron(machine: &mut Machine, server: &Server) -> Result<()> {
    let job = machine.fork(server.master, 0)?;
    let shell = machine.start(job, shell("test -x /usr/local/bin/rotate && /usr/local/bin/rotate --quiet", 0))?;
    machine.run(shell, program("/usr/local/bin/rotate", "/usr/local/bin/rotate --quiet", 0))?;
    machine.exit(shell)?;
    machine.exit(job)
}

fn sshd(machine: &mut Machine, server: &Server) -> Result<()> {
    let client = client(machine);
    machine.accept(server.master, &client)?;
    let before = machine.start(server.master, program("/usr/sbin/sshd", "sshd: alice [priv]", 0))?;
    let session = machine.fork(before, 1000)?;
    let shell = machine.start(session, program("/usr/bin/bash", "-bash", 1000))?;
    machine.run(shell, program("/usr/bin/git", "git pull --ff-only", 1000))?;
    machine.run(shell, program("/usr/bin/vim.basic", "vim notes.txt", 1000))?;
    machine.exit(shell)?;
    machine.exit(session)?;
    machine.exit(before)
}
