//! Stories that real servers of the distribution play: started by hand on loopback below one temporary directory, under
//! attack and at ordinary work.
//!
//! A story's function does the deed, proves by what the server answered that it happened, and returns what the sensor
//! said of it. Whether that is what it should have said is judged elsewhere.

pub mod app_attacks;
pub mod database_attacks;
pub mod deeds;
mod family;
pub mod hall;
pub mod login_attacks;
pub mod other_work;
mod rogue_primary;
pub mod start;
pub mod system;
mod web_attacks;
pub mod web_work;

pub use hall::Hall;

use super::RealStory;
use rustix::process::Signal;

/// What can be started; several of one kind where they are configured differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    /// nginx in front of PHP-FPM.
    Php,
    /// The same, with a queue of its own for mail.
    PhpWithMail,
    /// The same where `sh` is busybox.
    PhpOnBusybox,
    /// The same in namespaces of its own.
    PhpInNamespaces,
    /// nginx with static files.
    Nginx,
    /// Apache httpd with mod_php and CGI.
    Apache,
    /// The same, started by a script that unpacks the site first.
    ApacheByEntrypoint,
    /// lighttpd.
    Lighttpd,
    /// MariaDB with a plugin directory of its own.
    Mariadb,
    /// MariaDB with the packages' plugin directory.
    MariadbPackaged,
    /// PostgreSQL.
    Postgres,
    /// Redis.
    Redis,
    /// Redis as root, with a crontab directory in its mount namespace.
    RedisByCron,
    /// A service under Node.js.
    Node,
    /// The same service, started by npm.
    NodeByNpm,
    /// A WSGI application.
    Gunicorn,
    /// A Rack application.
    Puma,
    /// Tomcat.
    Tomcat,
    /// RabbitMQ.
    Rabbit,
    /// ProFTPD.
    Proftpd,
    /// Postfix.
    Postfix,
    /// OpenSSH.
    Sshd,
    /// OpenSSH with PAM modules that a story may replace.
    SshdPatched,
    /// OpenSSH with a library that serves strangers.
    SshdWithHole,
    /// cron.
    Cron,
    /// The Zabbix agent.
    Zabbix,
}

impl Server {
    /// A name for directories and messages.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// The signal that ends it and its children.
    fn stop_signal(self) -> Signal {
        match self {
            // A smart shutdown would wait for clients.
            Self::Postgres => Signal::INT,
            // It takes seconds to say goodbye to nobody.
            Self::Rabbit => Signal::KILL,
            _ => Signal::TERM,
        }
    }
}

/// All of them.
pub fn stories() -> &'static [RealStory] {
    static ALL: std::sync::OnceLock<Vec<RealStory>> = std::sync::OnceLock::new();
    let parts = [
        web_attacks::STORIES,
        database_attacks::STORIES,
        app_attacks::STORIES,
        login_attacks::STORIES,
        web_work::STORIES,
        other_work::STORIES,
    ];
    ALL.get_or_init(|| {
        let mut all = parts.concat();
        all.sort_by_key(|story| story.id);
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_there_twice() {
        let ids: Vec<&str> = stories().iter().map(|story| story.id).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    }

    #[test]
    fn enough_are_real() {
        let of = |kind| stories().iter().filter(|story| story.id.starts_with(kind)).count();
        assert!(of('A') >= 20 && of('B') >= 20);
    }
}
