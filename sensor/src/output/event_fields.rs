//! The fields of events, as [`crate::alert::schema`] has those of alerts.
//!
//! What stands under `sensor` and is said by one kind of event only may hold anything: its inner names may change.

use crate::alert::ECS_VERSION;
use crate::alert::schema::{Field, Kind, SCHEMA_VERSION, Section, core, extended, full, own};
use sensor_common::record::{Hook, Kind as Record};

const ID: Kind = Kind::Shaped("^[0-9a-f]{32}$");
const DIGITS: Kind = Kind::Shaped("^[0-9]+$");
const PID: Kind = Kind::Number(0, u32::MAX as u64);
const COUNT: Kind = Kind::Number(0, u64::MAX);
const PORT: Kind = Kind::Number(0, u16::MAX as u64);
const CATEGORY: Kind = Kind::Word(|| vec!["process", "file", "network", "configuration", "host"]);
const KNOWN: &str = "it is known";

/// All fields.
pub const SECTIONS: &[Section] = &[Section { name: "event", fields: FIELDS }];

/// The same with their full names.
pub fn fields() -> Vec<(String, &'static Field)> {
    full(SECTIONS)
}

const FIELDS: &[Field] = &[
    core("@timestamp", Kind::Time, "when it happened"),
    core("ecs.version", Kind::Word(|| vec![ECS_VERSION]), "the version of ECS whose names are used"),
    core("event.kind", Kind::Word(|| vec!["event"]), "`event`"),
    core("event.action", Kind::Word(|| Record::ALL.map(Record::name).to_vec()), "the kind of record"),
    core("event.category", CATEGORY, "what it is about").list(),
    core("host.name", Kind::Text, "the machine"),
    core("host.id", Kind::Text, "its `/etc/machine-id`"),
    own("process", Kind::Object, "who did it").when("a process did"),
    core("process.pid", PID, "its number"),
    extended("process.entity_id", ID, "stable id: machine, boot, pid and start").when(KNOWN),
    extended("process.start", Kind::Time, "when it began").when(KNOWN),
    extended("process.executable", Kind::Text, "its program").when(KNOWN),
    extended("process.name", Kind::Text, "the kernel's name of the task").when(KNOWN),
    extended("process.args", Kind::Text, "its arguments, itself first").list().when(KNOWN),
    extended("process.working_directory", Kind::Text, "where it was when the program started").when(KNOWN),
    own("process.user", Kind::Object, "its effective user").when(KNOWN),
    core("process.user.id", DIGITS, "the number"),
    core("process.user.name", Kind::Text, "the name").when(KNOWN),
    own("process.real_user", Kind::Object, "its real user").when(KNOWN),
    core("process.real_user.id", DIGITS, "the number"),
    own("process.thread", Kind::Object, "the thread that did it").when("it is not the parent"),
    extended("process.thread.id", PID, "its number"),
    extended("process.exit_code", Kind::Number(0, 255), "what it returned").when("it ended"),
    own("process.parent", Kind::Object, "who called fork for it: the same fields").when(KNOWN),
    own("file", Kind::Object, "the file").when("the event is about one"),
    extended("file.path", Kind::Text, "where it is"),
    extended("file.inode", DIGITS, "its inode"),
    extended("file.device", Kind::Shaped("^[0-9]+:[0-9]+$"), "its device, major and minor"),
    extended("file.mode", Kind::Shaped("^[0-7]{4}$"), "its permissions"),
    extended("file.uid", DIGITS, "its owner"),
    extended("file.target_path", Kind::Text, "where a symbolic link points").when("it is one"),
    own("destination", Kind::Object, "where a connection leads").when("there is one"),
    core("destination.ip", Kind::Address, "its address").when("it is no unix socket"),
    core("destination.port", PORT, "its port").when("it is no unix socket"),
    extended("destination.address", Kind::Text, "its address, or the unix socket's path").when(KNOWN),
    own("source", Kind::Object, "from where; what listens").when("there is one"),
    core("source.ip", Kind::Address, "its address").when("it is no unix socket"),
    core("source.port", PORT, "its port").when("it is no unix socket"),
    extended("source.address", Kind::Text, "its address, or the unix socket's path").when(KNOWN),
    own("network", Kind::Object, "the connection").when("the event is about one"),
    core("network.type", Kind::Word(|| vec!["unix", "ipv4", "ipv6", "other"]), "its family"),
    own("container", Kind::Object, "the container of the process").when("it runs in one"),
    core("container.id", Kind::Text, "its id"),
    extended("container.runtime", Kind::Text, "what runs it").when(KNOWN),
    extended("container.name", Kind::Text, "its name").when(KNOWN),
    own("container.image", Kind::Object, "its image").when(KNOWN),
    extended("container.image.name", Kind::Text, "registry and repository, without tag").when(KNOWN),
    extended("container.image.tag", Kind::Text, "its tags").list().when(KNOWN),
    own("container.image.hash", Kind::Object, "").when("one is known"),
    extended("container.image.hash.all", Kind::Text, "its digests").list(),
    own("orchestrator", Kind::Object, "what the container is part of").when("that is known"),
    extended("orchestrator.type", Kind::Text, "`kubernetes`"),
    extended("orchestrator.namespace", Kind::Text, "the namespace").when(KNOWN),
    extended("orchestrator.resource.name", Kind::Text, "its name"),
    extended("orchestrator.resource.type", Kind::Text, "its kind: `pod`"),
    extended("orchestrator.resource.id", Kind::Text, "its uid").when(KNOWN),
    own("sensor.schema_version", Kind::Word(|| vec![SCHEMA_VERSION]), "of these fields"),
    own("sensor.hook", Kind::Word(|| Hook::ALL.map(Hook::name).to_vec()), "who saw it"),
    own("sensor.lineage_number", PID, "the server's lineage, as the tree knows it; 0 for none"),
    own("sensor.kernel_lineage_number", PID, "the same, as the kernel knew it"),
    own("sensor.time_boottime_ns", COUNT, "`CLOCK_BOOTTIME`"),
    own("sensor.server", Kind::Object, "the server in whose lineage it is").when("there is one"),
    own("sensor.server.id", Kind::Text, "its id in the catalogue"),
    own("sensor.server.instance", PID, "number of the running instance"),
    own("sensor.server.pid", PID, "its first process"),
    own("sensor.process", Kind::Any, "the script, and the effective group, of process and parent").when(KNOWN),
    own("sensor.raw", Kind::Base64ByName, "the true bytes of texts that are no UTF-8").when("there are any"),
    own("sensor.child", Kind::Any, "who was made").when("`fork`"),
    own("sensor.exec", Kind::Any, "more of the program").when("`exec`, `process`"),
    own("sensor.exit", Kind::Any, "how it ended").when("`exit`"),
    own("sensor.file", Kind::Any, "more of the file").when("the event is about one"),
    own("sensor.watch", Kind::Any, "the directory that is watched from now on").when("`watch`"),
    own("sensor.title", Kind::Text, "what a process has written over its arguments").when("`title`"),
    own("sensor.unit", Kind::Text, "the unit that a server runs in").when("`unit`"),
    own("sensor.contained", Kind::Any, "which container some processes are in").when("`container`"),
    own("sensor.inspected", Kind::Any, "what was found out about a file").when("`inspected`"),
    own("sensor.remembered", Kind::Any, "what was kept before this start").when("`remembered`"),
    own("sensor.loss", Kind::Any, "what was lost").when("`loss`"),
];
