//! The detectors there are: ids, names, techniques. One place of truth for `rule.*` and `threat.*` in alerts.

use crate::catalogue::Role;

/// A detector; `rule.id` in alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Detector {
    /// A program runs in a server's lineage that is not a normal child.
    ServerShell,
    /// A file is written where a server loads components from.
    ComponentWrite,
    /// A server loads a component that was dropped.
    ComponentLoad,
    /// A file that makes a server load components is changed.
    ConfigLoadChange,
    /// A server's lineage runs a file that a server's lineage wrote.
    DroppedExecutable,
    /// A server's lineage runs a file that has no name.
    FilelessExec,
    /// A shell in a server's lineage talks to the network.
    ReverseShell,
    /// A server's lineage connects to where that server does not.
    ServerEgress,
    /// A server's lineage gains privileges.
    PrivilegeChange,
    /// A server's lineage has something run later, or lets somebody in.
    PersistenceHandoff,
    /// A server's lineage reads credentials.
    CredentialAccess,
    /// A server starts what it has never started since its baseline was learned.
    NewAncestry,
}

/// An ATT&CK technique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Technique {
    /// Its id.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The tactic it serves here: id and name.
    pub tactic: (&'static str, &'static str),
}

const EXECUTION: (&str, &str) = ("TA0002", "Execution");
const PERSISTENCE: (&str, &str) = ("TA0003", "Persistence");
const PRIVILEGE_ESCALATION: (&str, &str) = ("TA0004", "Privilege Escalation");
const DEFENSE_EVASION: (&str, &str) = ("TA0005", "Defense Evasion");
const CREDENTIAL_ACCESS: (&str, &str) = ("TA0006", "Credential Access");
const DISCOVERY: (&str, &str) = ("TA0007", "Discovery");
const COMMAND_AND_CONTROL: (&str, &str) = ("TA0011", "Command and Control");

const fn technique(id: &'static str, name: &'static str, tactic: (&'static str, &'static str)) -> Technique {
    Technique { id, name, tactic }
}

const SERVER_SOFTWARE: Technique = technique("T1505", "Server Software Component", PERSISTENCE);
const SQL_PROCEDURES: Technique = technique("T1505.001", "SQL Stored Procedures", PERSISTENCE);
const TRANSPORT_AGENT: Technique = technique("T1505.002", "Transport Agent", PERSISTENCE);
const WEB_SHELL: Technique = technique("T1505.003", "Web Shell", PERSISTENCE);
const UNIX_SHELL: Technique = technique("T1059.004", "Unix Shell", EXECUTION);
const TOOL_TRANSFER: Technique = technique("T1105", "Ingress Tool Transfer", COMMAND_AND_CONTROL);
const REFLECTIVE_LOADING: Technique = technique("T1620", "Reflective Code Loading", DEFENSE_EVASION);
const APPLICATION_PROTOCOL: Technique = technique("T1071", "Application Layer Protocol", COMMAND_AND_CONTROL);
const SERVICE_DISCOVERY: Technique = technique("T1046", "Network Service Discovery", DISCOVERY);
const ELEVATION: Technique = technique("T1548", "Abuse Elevation Control Mechanism", PRIVILEGE_ESCALATION);
const CREDENTIALS: Technique = technique("T1552", "Unsecured Credentials", CREDENTIAL_ACCESS);

/// Techniques of what persistence places hold, by the id that the catalogue states.
const PLACES: [Technique; 17] = [
    technique("T1037", "Boot or Logon Initialization Scripts", PERSISTENCE),
    technique("T1037.004", "RC Scripts", PERSISTENCE),
    technique("T1136.001", "Local Account", PERSISTENCE),
    technique("T1543.005", "Container Service", PERSISTENCE),
    technique("T1546.016", "Installer Packages", PERSISTENCE),
    technique("T1546.017", "Udev Rules", PERSISTENCE),
    technique("T1547.006", "Kernel Modules and Extensions", PERSISTENCE),
    technique("T1547.013", "XDG Autostart Entries", PERSISTENCE),
    technique("T1053.002", "At", PERSISTENCE),
    technique("T1053.003", "Cron", PERSISTENCE),
    technique("T1053.006", "Systemd Timers", PERSISTENCE),
    technique("T1098.004", "SSH Authorized Keys", PERSISTENCE),
    technique("T1543.002", "Systemd Service", PERSISTENCE),
    technique("T1546.004", "Unix Shell Configuration Modification", PERSISTENCE),
    technique("T1548.003", "Sudo and Sudo Caching", PRIVILEGE_ESCALATION),
    technique("T1556.003", "Pluggable Authentication Modules", PERSISTENCE),
    technique("T1574.006", "Dynamic Linker Hijacking", PERSISTENCE),
];

/// Techniques of reading secrets.
const SECRETS: [Technique; 6] = [
    CREDENTIALS,
    technique("T1003.008", "/etc/passwd and /etc/shadow", CREDENTIAL_ACCESS),
    technique("T1558", "Steal or Forge Kerberos Tickets", CREDENTIAL_ACCESS),
    technique("T1528", "Steal Application Access Token", CREDENTIAL_ACCESS),
    technique("T1552.001", "Credentials In Files", CREDENTIAL_ACCESS),
    technique("T1552.004", "Private Keys", CREDENTIAL_ACCESS),
];

impl Technique {
    /// The technique of reading a secret, by its id.
    pub fn of_secret(id: &str) -> Self {
        SECRETS.into_iter().find(|known| known.id == id).unwrap_or(CREDENTIALS)
    }

    /// The technique of a persistence place, by its id; a general one where the id is not among those that are known.
    pub fn of_place(id: Option<&str>) -> Self {
        PLACES.into_iter().find(|known| Some(known.id) == id).unwrap_or(SERVER_SOFTWARE)
    }
}

impl Detector {
    /// All detectors.
    pub const ALL: [Self; 12] = [
        Self::ServerShell,
        Self::ComponentWrite,
        Self::ComponentLoad,
        Self::ConfigLoadChange,
        Self::DroppedExecutable,
        Self::FilelessExec,
        Self::ReverseShell,
        Self::ServerEgress,
        Self::PrivilegeChange,
        Self::PersistenceHandoff,
        Self::CredentialAccess,
        Self::NewAncestry,
    ];

    /// `rule.id`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::ServerShell => "server-shell",
            Self::ComponentWrite => "component-write",
            Self::ComponentLoad => "component-load",
            Self::ConfigLoadChange => "config-load-change",
            Self::DroppedExecutable => "dropped-executable",
            Self::FilelessExec => "fileless-exec",
            Self::ReverseShell => "reverse-shell",
            Self::ServerEgress => "server-egress",
            Self::PrivilegeChange => "privilege-change",
            Self::PersistenceHandoff => "persistence-handoff",
            Self::CredentialAccess => "credential-access",
            Self::NewAncestry => "new-ancestry",
        }
    }

    /// `rule.name`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServerShell => "Server started a program it never starts",
            Self::ComponentWrite => "File written where a server loads components from",
            Self::ComponentLoad => "Server loaded a component that was dropped",
            Self::ConfigLoadChange => "Configuration that makes a server load components was changed",
            Self::DroppedExecutable => "Server ran a file that a server wrote",
            Self::FilelessExec => "Server ran a program that has no file",
            Self::ReverseShell => "Shell below a server talks to the network",
            Self::ServerEgress => "Server connected to where it does not",
            Self::PrivilegeChange => "Server gained privileges",
            Self::PersistenceHandoff => "Server wrote what is run later or lets somebody in",
            Self::CredentialAccess => "Server read credentials",
            Self::NewAncestry => "Server started what it has never started before",
        }
    }

    /// `rule.description`.
    pub const fn description(self) -> &'static str {
        match self {
            Self::ServerShell => {
                "A shell, interpreter or discovery/transfer tool that is not a normal child runs in a server's lineage"
            }
            Self::ComponentWrite => {
                "A file was created, written, renamed, linked or made executable where a server loads components \
                 from, by another than its package manager or deployer"
            }
            Self::ComponentLoad => {
                "A server executes, maps or opens a component that was dropped, or that is not what its package brought"
            }
            Self::ConfigLoadChange => "A file that makes a server load components was changed",
            Self::DroppedExecutable => "A server's lineage executes a file that a server's lineage wrote",
            Self::FilelessExec => "A server's lineage executes a memfd or a deleted file",
            Self::ReverseShell => {
                "A shell or interpreter in a server's lineage has a network socket as standard input or output"
            }
            Self::ServerEgress => {
                "A server's lineage connects to where that server does not: a new public address, a cloud metadata \
                 service, many internal addresses or ports"
            }
            Self::PrivilegeChange => "A server's lineage gains uid 0 or capabilities it did not have",
            Self::PersistenceHandoff => {
                "A server's lineage writes cron, systemd units, authorized_keys, ld.so.preload, shell profiles or PAM"
            }
            Self::CredentialAccess => {
                "A server's lineage reads shadow, private keys, service-account tokens or another service's secrets"
            }
            Self::NewAncestry => "A parent-to-child edge that this server has never had since its baseline was learned",
        }
    }

    /// Whether it tells that something was put somewhere, to be used later.
    pub const fn places(self) -> bool {
        matches!(self, Self::ComponentWrite | Self::ConfigLoadChange | Self::PersistenceHandoff)
    }

    /// Whether it tells that something ran.
    pub const fn runs(self) -> bool {
        matches!(
            self,
            Self::ServerShell
                | Self::ComponentLoad
                | Self::DroppedExecutable
                | Self::FilelessExec
                | Self::ReverseShell
                | Self::NewAncestry
        )
    }

    /// The techniques that a finding at a server of these roles stands for.
    pub fn techniques(self, roles: &[Role]) -> Vec<Technique> {
        let first = match roles.first() {
            Some(Role::Web | Role::App | Role::Proxy | Role::Ci) => WEB_SHELL,
            Some(Role::Database | Role::Cache) => SQL_PROCEDURES,
            Some(Role::Mail) => TRANSPORT_AGENT,
            _ => SERVER_SOFTWARE,
        };
        let at_web = if first == WEB_SHELL { WEB_SHELL } else { SERVER_SOFTWARE };
        match self {
            Self::ServerShell => vec![first, UNIX_SHELL],
            Self::ComponentWrite => vec![at_web],
            Self::ComponentLoad | Self::NewAncestry => vec![first],
            Self::ConfigLoadChange => vec![SERVER_SOFTWARE],
            Self::DroppedExecutable => vec![TOOL_TRANSFER, first],
            Self::FilelessExec => vec![REFLECTIVE_LOADING],
            Self::ReverseShell => vec![UNIX_SHELL, first],
            Self::ServerEgress => vec![APPLICATION_PROTOCOL],
            Self::PrivilegeChange => vec![ELEVATION],
            // Which one it is, the place says.
            Self::PersistenceHandoff => Vec::new(),
            Self::CredentialAccess => vec![CREDENTIALS],
        }
    }
}

/// The technique of connecting to many addresses or ports.
pub const SWEEP: Technique = SERVICE_DISCOVERY;
