//! The fields themselves.

use super::{Field, Kind, SCHEMA_VERSION, Section, core, extended, own};
use crate::alert::json::ECS_VERSION;
use crate::catalogue::Role;
use crate::detect::{Detector, Severity};
use sensor_common::record::{Hook, Kind as Record};

/// All fields, by what they are about.
pub const SECTIONS: &[Section] = &[
    Section { name: "found", fields: FOUND },
    Section { name: "who", fields: WHO },
    Section { name: "container", fields: CONTAINER },
    Section { name: "file", fields: FILE },
    Section { name: "connection", fields: CONNECTION },
    Section { name: "incident", fields: INCIDENT },
];

const ID: Kind = Kind::Shaped("^[0-9a-f]{32}$");
const SHA256: Kind = Kind::Shaped("^[0-9a-f]{64}$");
const DIGITS: Kind = Kind::Shaped("^[0-9]+$");
const DEVICE: Kind = Kind::Shaped("^[0-9]+:[0-9]+$");
const PID: Kind = Kind::Number(0, u32::MAX as u64);
const COUNT: Kind = Kind::Number(0, u64::MAX);
const PORT: Kind = Kind::Number(0, u16::MAX as u64);
const DETECTOR: Kind = Kind::Word(|| Detector::ALL.map(Detector::id).to_vec());
const SEVERITY: Kind = Kind::Word(|| Severity::ALL.map(Severity::name).to_vec());
const ROLE: Kind = Kind::Word(|| Role::ALL.map(Role::name).to_vec());
const ACTION: Kind = Kind::Word(|| Record::ALL.map(Record::name).to_vec());
const HOOK: Kind = Kind::Word(|| Hook::ALL.map(Hook::name).to_vec());

const FOUND: &[Field] = &[
    core("@timestamp", Kind::Time, "when the kernel saw what decided; of an update, when it was told"),
    core("ecs.version", Kind::Word(|| vec![ECS_VERSION]), "the version of ECS whose names are used"),
    core("event.kind", Kind::Word(|| vec!["alert"]), "`alert`; of [events](#events), `event`"),
    core("event.id", ID, "stable: the same capture gives the same ids. `sensor explain` takes it, or its beginning"),
    core(
        "event.category",
        Kind::Word(|| vec!["process", "file", "network"]),
        "what it is about: [all values](#categories-types-actions)",
    )
    .list(),
    core(
        "event.type",
        Kind::Word(|| vec!["start", "creation", "change", "access", "connection"]),
        "what happened to that",
    )
    .list(),
    core("event.action", ACTION, "the kind of record that it was seen in"),
    core("event.severity", Kind::Number(0, 95), "0, 25, 50, 75, 95 for info, low, medium, high, critical"),
    core("event.risk_score", Kind::Number(0, 100), "the incident's score; the same as `sensor.incident.score`"),
    extended("event.sequence", COUNT, "counts alerts since the start"),
    extended("rule.id", DETECTOR, "the detector"),
    extended("rule.name", Kind::Text, "what it saw, in a few words"),
    extended("rule.description", Kind::Text, "when it speaks"),
    extended("threat.framework", Kind::Word(|| vec!["MITRE ATT&CK"]), "whose ids they are"),
    extended(
        "threat.technique.id",
        Kind::Shaped(r"^T[0-9]{4}(\.[0-9]{3})?$"),
        "techniques and sub-techniques; which the server's role, the persistence place or the secret decides, \
         [detectors.md](detectors.md) says",
    )
    .list(),
    extended("threat.technique.name", Kind::Text, "their names").list(),
    extended(
        "threat.tactic.id",
        Kind::Shaped("^TA[0-9]{4}$"),
        "the tactic of each technique, at the same index; so one tactic may stand there twice",
    )
    .list(),
    extended("threat.tactic.name", Kind::Text, "their names").list(),
    core("host.name", Kind::Text, "the machine"),
    core("host.id", Kind::Text, "its `/etc/machine-id`"),
    own(
        "sensor.schema_version",
        Kind::Word(|| vec![SCHEMA_VERSION]),
        "of these fields: [what may change](#what-may-change)",
    ),
    own(
        "sensor.severity",
        SEVERITY,
        "how bad: as the incident, if that is worse than the finding; only info stays info",
    ),
    own("sensor.why", Kind::Text, "sentences with the facts that decided").list(),
    own("sensor.blind", Kind::Truth, "`true` while lost records had not been healed: the ancestry may have gaps"),
    own("sensor.hook", HOOK, "who saw it: the attach point in the kernel, `fanotify`, `procfs` or `agent`"),
    own("sensor.cut", Kind::Truth, "`true`").when("something was cut for the alert to fit into 4 KiB"),
    own("sensor.raw", Kind::Base64ByName, "the true bytes of texts, by field name: [more](#bytes-that-are-not-utf-8)")
        .when("bytes were not UTF-8"),
];

const WHO: &[Field] = &[
    extended("process.entity_id", ID, "stable id of a process: machine, boot, pid and start"),
    core("process.pid", PID, "the process that did it"),
    extended("process.executable", Kind::Text, "as the kernel names it, never what the process calls itself"),
    extended("process.name", Kind::Text, "the kernel's name of the task, 15 bytes at most"),
    extended("process.args", Kind::Text, "its arguments, itself first; `…` last, if there were more").list(),
    extended("process.command_line", Kind::Text, "the same as one text"),
    extended("process.working_directory", Kind::Text, "where it was when the program started"),
    extended("process.start", Kind::Time, "when the process began"),
    core("process.user.id", DIGITS, "the effective user"),
    core("process.user.name", Kind::Text, "its name").when("it is known"),
    own("process.parent", Kind::Object, "who called fork for it: the same fields").when("it is known"),
    own("sensor.process", Kind::Object, "").when("one of these is there"),
    own("sensor.process.script", Kind::Text, "the script, whose `#!` started the interpreter").when("there is one"),
    own("sensor.process.parent", Kind::Object, "").when("one of these is there"),
    own("sensor.process.parent.script", Kind::Text, "the parent's script").when("there is one"),
    own("sensor.server", Kind::Object, "the server that it is about").when("a running server is concerned"),
    own("sensor.server.id", Kind::Text, "its id in the catalogue"),
    own("sensor.server.role", ROLE, "its first role"),
    own("sensor.server.instance", PID, "number of the running instance"),
    own(
        "sensor.server.pid",
        PID,
        "its first process; where that ended (a daemon), the eldest of its own that runs, two seconds later",
    ),
    own(
        "sensor.lineage",
        Kind::Object,
        "programs from the server down to the process; of a writer outside of lineages, from the oldest ancestor that is \
         known. A process that ran several programs stands there once for each",
    )
    .list(),
    own("sensor.lineage.pid", PID, "the process"),
    own("sensor.lineage.executable", Kind::Text, "its program"),
    own("sensor.lineage.args", Kind::Text, "its arguments").list(),
    own("sensor.lineage.start", Kind::Time, "when the process began"),
];

const KNOWN: &str = "it is known";

const CONTAINER: &[Field] = &[
    own("container", Kind::Object, "the container of the process").when("it runs in one"),
    core("container.id", Kind::Text, "its id").when(KNOWN),
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
    own("orchestrator.resource", Kind::Object, "the resource").when(KNOWN),
    extended("orchestrator.resource.name", Kind::Text, "its name").when(KNOWN),
    extended("orchestrator.resource.type", Kind::Text, "its kind: `pod`").when(KNOWN),
    extended("orchestrator.resource.id", Kind::Text, "its uid").when(KNOWN),
    own("sensor.server.container", Kind::Object, "the server's container").when("it is another than the process's"),
    own("sensor.server.container.id", Kind::Text, "its id"),
];

const FILE: &[Field] = &[
    own("file", Kind::Object, "the file").when("the alert is about one"),
    extended("file.path", Kind::Text, "where it is"),
    extended("file.inode", DIGITS, "its inode"),
    extended("file.device", DEVICE, "its device, major and minor"),
    extended("file.uid", DIGITS, "its owner"),
    extended("file.target_path", Kind::Text, "where a symbolic link points, as it was written").when("it is one"),
    extended("file.size", COUNT, "bytes, as found; 0 if the file was gone").when("it was looked at in time"),
    own("file.hash", Kind::Object, "").when("it is a regular file of at most 64 MiB, and was looked at in time"),
    extended("file.hash.sha256", SHA256, "of its content"),
    own("sensor.file", Kind::Object, "").when("it was renamed or linked"),
    own("sensor.file.origin_path", Kind::Text, "its old name"),
    own("sensor.provenance", Kind::Object, "where the file comes from").when("it was looked at in time"),
    own("sensor.provenance.package", Kind::Object, "the package that owns it; `null` if none does").or_null(),
    own("sensor.provenance.package.manager", Kind::Word(|| vec!["dpkg", "rpm", "apk"]), "whose database says so"),
    own("sensor.provenance.package.name", Kind::Text, "the package"),
    own("sensor.provenance.package.version", Kind::Text, "its version"),
    own(
        "sensor.provenance.package.content",
        Kind::Word(|| vec!["same", "changed", "unknown", "missing"]),
        "whether the file is what the package brought",
    ),
    own(
        "sensor.provenance.upper_layer",
        Kind::Truth,
        "whether it was made or changed since its container started; `null` if it lies on no overlay, or that cannot be told",
    )
    .or_null(),
    own("sensor.provenance.modified", Kind::Time, "when its content last changed, as the file says"),
    own("sensor.provenance.elf", Kind::Truth, "whether it is a native program or module"),
    own("sensor.writer", Kind::Object, "who wrote it, as the ledger knows")
        .when("`component-load`, `dropped-executable`"),
    own("sensor.writer.executable", Kind::Text, "the writer's program"),
    own("sensor.writer.command_line", Kind::Text, "its command line"),
    own("sensor.writer.pid", PID, "its process"),
    own("sensor.writer.user.id", DIGITS, "its effective user"),
    own("sensor.writer.server", Kind::Text, "the server (catalogue id) in whose lineage it was; `null` if in none").or_null(),
    own("sensor.writer.lineage", Kind::Text, "command lines from that server down, 8 at most").list(),
    own("sensor.writer.written", Kind::Time, "when"),
];

const CONNECTION: &[Field] = &[
    own("destination", Kind::Object, "where it leads").when("`reverse-shell`, `server-egress`"),
    core("destination.ip", Kind::Address, "its address"),
    core("destination.port", PORT, "its port"),
    own("source", Kind::Object, "from where").when("the socket had an address already"),
    core("source.ip", Kind::Address, "its address"),
    core("source.port", PORT, "its port"),
];

const INCIDENT: &[Field] = &[
    own("sensor.incident.id", ID, "the same for everything of one story"),
    own("sensor.incident.severity", SEVERITY, "how bad all of it is; never falls"),
    own("sensor.incident.score", Kind::Number(0, 100), "the severity's number, and 3 for each further detector"),
    own("sensor.incident.findings", COUNT, "how many so far, those included that were not told one by one"),
    own("sensor.incident.first_seen", Kind::Time, "its first finding"),
    own("sensor.incident.last_seen", Kind::Time, "its latest"),
    own("sensor.incident.detectors", DETECTOR, "those that spoke").list(),
    own(
        "sensor.incident.timeline",
        Kind::Text,
        "lines `TIME DETECTOR: WHAT`, in order; 16 at most (the first and the latest), fewer in an alert that is cut",
    )
    .list(),
];
