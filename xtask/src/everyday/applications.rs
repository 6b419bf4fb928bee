//! Application, mail, file and monitoring servers.

use super::{Work, shell};
use crate::stories::real::app_attacks::{deploy, evaluate, war};
use crate::stories::real::deeds::{prove, prove_file};
use crate::stories::real::login_attacks::send_mail;
use crate::stories::real::other_work::ask_zabbix;
use crate::stories::real::web_work::picture;
use crate::stories::real::{Hall, Server};
use anyhow::{Context, Result};
use rustix::process::Signal;

/// All of this file.
pub const WORK: &[Work] = &[
    Work {
        name: "tomcat",
        does: "start through its scripts, pages compiled, two WARs by the manager, one undeployed",
        run: tomcat,
    },
    Work { name: "node", does: "a service started by `npm start`, 50 requests", run: node },
    Work { name: "python", does: "a WSGI application under gunicorn: 50 requests, 3 reloads", run: python },
    Work { name: "ruby", does: "an application under Puma: pictures by ImageMagick, scripts by Node.js", run: ruby },
    Work {
        name: "rabbitmq",
        does: "start with its disk monitor, an expression evaluated by its own tool",
        run: rabbitmq,
    },
    Work {
        name: "postfix",
        does: "5 mails to procmail through a shell, an alias added with a reload, the queue shown",
        run: postfix,
    },
    Work { name: "ftp", does: "pictures uploaded and listed", run: ftp },
    Work { name: "lighttpd", does: "start with its helpers under a shell, 20 requests", run: lighttpd },
    Work { name: "zabbix", does: "10 polls that run a command of the site through a shell", run: zabbix },
];

fn tomcat(hall: &mut Hall) -> Result<()> {
    let tomcat = hall.need(Server::Tomcat)?;
    prove(&tomcat.page("index.jsp")?, "compiled 42")?;
    for name in ["shop", "blog"] {
        let files =
            [("WEB-INF/web.xml", "<web-app/>"), ("index.jsp", "<%= \"compiled \" + 6 * 7 %>"), ("a.css", "b {}")];
        let archive = war(&hall.workplace(name)?, name, &files)?;
        deploy(&tomcat, &archive, name)?;
        prove(&tomcat.page(&format!("{name}/index.jsp"))?, "compiled 42")?;
    }
    prove(&tomcat.curl("manager/text/undeploy?path=/blog", &["--user", "admin:admin"])?, "OK - Undeployed")
}

fn node(hall: &mut Hall) -> Result<()> {
    let node = hall.need(Server::NodeByNpm)?;
    for _ in 0..50 {
        prove(&node.page("")?, "welcome")?;
    }
    Ok(())
}

fn python(hall: &mut Hall) -> Result<()> {
    let gunicorn = hall.need(Server::Gunicorn)?;
    for _ in 0..3 {
        for _ in 0..17 {
            prove(&gunicorn.page("")?, "welcome")?;
        }
        crate::stories::real::system::signal(gunicorn.pid, Signal::HUP);
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    Ok(())
}

fn ruby(hall: &mut Hall) -> Result<()> {
    let puma = hall.need(Server::Puma)?;
    let own = hall.workplace("assets")?;
    let picture = picture(&own)?;
    let small = puma.path("tmp/small.jpg");
    for _ in 0..3 {
        prove(&puma.ask("", &[("helper", "console.log('compiled ' + 6 * 7)")])?, "compiled 42")?;
        puma.ask("", &[("thumbnail", &picture.display().to_string()), ("to", &small)])?;
        prove_file(small.as_ref(), "JFIF")?;
    }
    Ok(())
}

fn rabbitmq(hall: &mut Hall) -> Result<()> {
    let rabbit = hall.need(Server::Rabbit)?;
    prove(&evaluate(&rabbit, "rabbit_disk_monitor:get_disk_free().")?, "\n")
}

fn postfix(hall: &mut Hall) -> Result<()> {
    let postfix = hall.need(Server::Postfix)?;
    for _ in 0..5 {
        send_mail(postfix.port, "somebody")?;
    }
    prove_file(&postfix.at.join("box/mail"), "Subject: story")?;
    let script = "echo 'office: somebody' >> aliases; postalias -c \"$PWD\" \"hash:$PWD/aliases\"\n\
                  postfix -c \"$PWD\" reload; postqueue -c \"$PWD\" -p";
    shell(&postfix.at, script, &[])?;
    send_mail(postfix.port, "office")
}

fn ftp(hall: &mut Hall) -> Result<()> {
    let proftpd = hall.need(Server::Proftpd)?;
    let own = hall.workplace("ftp")?;
    picture(&own)?;
    let script = "for name in a b c; do\n\
                  curl --silent --show-error --upload-file photo.jpg \"ftp://guest:guest@127.0.0.1:$1/$name.jpg\"\ndone\n\
                  curl --silent --show-error \"ftp://guest:guest@127.0.0.1:$1/\"";
    prove(&shell(&own, script, &[&proftpd.port.to_string()]).context("curl")?, "c.jpg")
}

fn lighttpd(hall: &mut Hall) -> Result<()> {
    let lighttpd = hall.need(Server::Lighttpd)?;
    for _ in 0..20 {
        prove(&lighttpd.page("index.html")?, "welcome")?;
    }
    Ok(())
}

fn zabbix(hall: &mut Hall) -> Result<()> {
    let zabbix = hall.need(Server::Zabbix)?;
    for _ in 0..10 {
        prove(&ask_zabbix(zabbix.port, "story.load")?, ".")?;
    }
    Ok(())
}
