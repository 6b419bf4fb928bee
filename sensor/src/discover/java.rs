//! Servers in a Java virtual machine: properties on the command line, the class path, and Tomcat's server.xml.

use super::Given;
use super::arguments::plain;
use super::directives::Reader;
use super::finder::{CONFIG, Finder, Names, PLUGIN, Rule, SOURCE, WEBAPP, from_argument};
use super::languages::Language;
use bstr::ByteSlice;
use std::path::{Path, PathBuf};

/// A directory that an option or a variable names, and what is where below it.
struct Base {
    /// Options as they are written (`-Dname=`), or names of variables.
    told: &'static [&'static str],
    holds: &'static [(&'static str, &'static str)],
}

/// By server: what its bases are.
const SERVERS: &[(&[&str], &[Base])] = &[
    (
        &["tomcat"],
        &[
            Base {
                told: &["-Dcatalina.base=", "CATALINA_BASE"],
                holds: &[("webapps", WEBAPP), ("lib", WEBAPP), ("conf", CONFIG)],
            },
            Base { told: &["-Dcatalina.home=", "CATALINA_HOME"], holds: &[("lib", WEBAPP)] },
        ],
    ),
    (
        &["jetty"],
        &[
            Base {
                told: &["-Djetty.base=", "jetty.base=", "JETTY_BASE"],
                holds: &[("webapps", WEBAPP), ("lib", WEBAPP), ("start.d", CONFIG), ("etc", CONFIG)],
            },
            Base { told: &["-Djetty.home=", "jetty.home="], holds: &[("webapps", WEBAPP), ("lib", WEBAPP)] },
        ],
    ),
    (
        &["wildfly"],
        &[
            Base {
                told: &["-Djboss.server.base.dir="],
                holds: &[("deployments", WEBAPP), ("data/content", WEBAPP), ("configuration", CONFIG)],
            },
            Base {
                told: &["-Djboss.home.dir="],
                holds: &[("standalone/deployments", WEBAPP), ("standalone/configuration", CONFIG), ("modules", PLUGIN)],
            },
        ],
    ),
    (
        &["weblogic"],
        &[Base {
            told: &["-Dweblogic.RootDirectory=", "-Ddomain.home="],
            holds: &[("autodeploy", WEBAPP), ("lib", WEBAPP), ("config", CONFIG)],
        }],
    ),
    (
        &["elasticsearch-opensearch", "elasticsearch", "opensearch"],
        &[
            Base {
                told: &["-Des.path.home=", "-Dopensearch.path.home="],
                holds: &[("plugins", PLUGIN), ("modules", PLUGIN), ("lib", SOURCE)],
            },
            Base { told: &["-Des.path.conf=", "-Dopensearch.path.conf=", "ES_PATH_CONF"], holds: &[("", CONFIG)] },
        ],
    ),
    (
        &["solr"],
        &[
            Base { told: &["-Dsolr.solr.home="], holds: &[("", CONFIG)] },
            Base {
                told: &["-Dsolr.install.dir="],
                holds: &[("server/solr-webapp/webapp", WEBAPP), ("server/lib", WEBAPP), ("modules", WEBAPP)],
            },
        ],
    ),
    (
        &["activemq"],
        &[
            Base {
                told: &["-Dactivemq.base=", "-Dartemis.instance=", "ACTIVEMQ_BASE"],
                holds: &[("webapps", WEBAPP), ("lib", WEBAPP)],
            },
            Base { told: &["-Dactivemq.home=", "-Dartemis.home="], holds: &[("webapps", WEBAPP), ("lib", WEBAPP)] },
            Base { told: &["-Dactivemq.conf="], holds: &[("", CONFIG)] },
        ],
    ),
    (
        &["jenkins"],
        &[Base {
            told: &["-DJENKINS_HOME=", "JENKINS_HOME"],
            holds: &[("plugins", PLUGIN), ("init.groovy.d", SOURCE)],
        }],
    ),
    // By their class path alone.
    (
        &[
            "java",
            "spring-boot",
            "kafka-zookeeper",
            "kafka",
            "zookeeper",
            "cassandra",
            "confluence-jira",
            "nexus",
            "openfire",
            "glassfish-websphere",
            "coldfusion",
        ],
        &[],
    ),
];

/// Whether a server is one of these.
pub fn is_known(server: &str) -> bool {
    SERVERS.iter().any(|(ids, _)| ids.contains(&server))
}

/// Any of them.
pub fn server(finder: &mut Finder<'_>, server: &str) {
    let bases = SERVERS.iter().filter(|(ids, _)| ids.contains(&server)).flat_map(|(_, bases)| *bases);
    for base in bases {
        let Some((directory, origin)) = told(finder, base.told) else {
            continue;
        };
        for (below, kind) in base.holds {
            finder.want(kind, directory.join(below), origin.clone());
        }
        if server == "tomcat" {
            tomcat_hosts(finder, &directory);
        }
    }
    class_path(finder);
}

fn told(finder: &Finder<'_>, names: &[&str]) -> Option<(PathBuf, String)> {
    names.iter().find_map(|name| {
        if name.ends_with('=') {
            let (option, path) = finder.arguments.path(&[name])?;
            return Some((path, from_argument(option)));
        }
        let path = plain(finder.facts.environment.get(name)?, finder.facts.directory)?;
        Some((path, format!("environment: {name}")))
    })
}

/// server.xml: `<Host appBase="webapps">`, `<Context docBase="/srv/app">`, relative to the base and to `appBase`.
fn tomcat_hosts(finder: &mut Finder<'_>, base: &Path) {
    const DIRECTIVES: &[Rule] = &[
        Rule::new("host@appbase", Names::Directory, WEBAPP),
        Rule::new("context@docbase", Names::Directory, WEBAPP),
        Rule::new("preresources@base", Names::Directory, WEBAPP),
        Rule::new("postresources@base", Names::Directory, WEBAPP),
    ];
    let mut defined = Given::new();
    defined.insert("catalina.base".into(), base.as_os_str().as_encoded_bytes().into());
    let mut reader = Reader::new(finder.facts.root, Language::Xml, None, defined);
    reader.file(&base.join("conf/server.xml"), "server.xml");
    for pattern in ["conf/*/*/*.xml", "conf/Catalina/*.xml"] {
        for context in finder.facts.root.matches(&base.join(pattern)) {
            reader.file(&context, "contexts of server.xml");
        }
    }
    let mut configuration = finder.take(reader);
    // A `docBase` without a slash is a name below `appBase`, which is watched.
    configuration.statements.retain(|statement| {
        let [name, value, ..] = statement.words.as_slice() else { return false };
        name != "context@docbase" || value.starts_with(b"/") || value.starts_with(b"$")
    });
    finder.directives(&configuration, DIRECTIVES, Some(base));
}

/// `-jar FILE`, `-cp A:B/*:C.jar`, `--module-path`, `-javaagent:FILE=...`: where code comes from.
fn class_path(finder: &mut Finder<'_>) {
    let paths = finder.arguments.values(&["-cp", "-classpath", "--class-path", "-p", "--module-path"]);
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    for (option, value) in paths {
        for one in value.split(|byte| *byte == b':').filter(|one| !one.is_empty()) {
            found.extend(place(finder, one).map(|path| (path, from_argument(option))));
        }
    }
    for (option, value) in finder.arguments.values(&["-jar", "-Dloader.path="]) {
        found.extend(place(finder, value).map(|path| (path, from_argument(option))));
    }
    for word in &finder.arguments.words {
        for option in ["-javaagent:", "-agentpath:"] {
            let file = word.strip_prefix(option.as_bytes()).and_then(|rest| rest.split_str("=").next());
            found.extend(file.and_then(|file| place(finder, file)).map(|path| (path, from_argument(option))));
        }
    }
    for (path, origin) in found {
        finder.want(SOURCE, path, origin);
    }
}

/// The directory of an entry: its own, or that of a file or of `*`.
fn place(finder: &Finder<'_>, entry: &[u8]) -> Option<PathBuf> {
    let path = plain(entry, finder.facts.directory)?;
    let file = [&b".jar"[..], b".war", b".ear", b".so", b"*"].iter().any(|end| entry.ends_with(end));
    if file { path.parent().map(Path::to_owned) } else { Some(path) }
}
