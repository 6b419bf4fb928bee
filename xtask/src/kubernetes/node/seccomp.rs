//! A profile for system calls as container engines keep it, as the runtime gets it: only what holds for these capabilities.

use serde_json::{Value, json};

/// The `linux.seccomp` of the runtime's configuration.
pub fn resolve(profile: &Value, capabilities: &[String]) -> Value {
    let rules = profile["syscalls"].as_array().into_iter().flatten();
    let rules: Vec<Value> = rules.filter(|rule| holds(rule, capabilities)).map(plain).collect();
    json!({
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules,
    })
}

/// Whether a rule is for this machine and who has these capabilities.
fn holds(rule: &Value, capabilities: &[String]) -> bool {
    let has = |side: &str, kind: &str, test: &dyn Fn(&str) -> bool| {
        let listed = rule[side][kind].as_array().filter(|list| !list.is_empty());
        listed.map(|list| list.iter().filter_map(Value::as_str).any(test))
    };
    let held = |name: &str| capabilities.iter().any(|capability| capability == name);
    let here = |name: &str| name == "amd64";
    has("includes", "caps", &held) != Some(false)
        && has("includes", "arches", &here) != Some(false)
        && has("excludes", "caps", &held) != Some(true)
        && has("excludes", "arches", &here) != Some(true)
}

/// Without what only the engine looks at.
fn plain(rule: &Value) -> Value {
    let mut plain = json!({"names": rule["names"], "action": rule["action"]});
    for key in ["errnoRet", "args"] {
        if !rule[key].is_null() && rule[key].as_array().is_none_or(|list| !list.is_empty()) {
            plain[key] = rule[key].clone();
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_taken_by_capability_and_machine() {
        let rule = |name: &str, includes: Value, excludes: Value| json!({"names": [name], "action": "SCMP_ACT_ALLOW", "args": [], "includes": includes, "excludes": excludes});
        let profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            rule("read", json!({}), json!({})),
            rule("bpf", json!({"caps": ["CAP_SYS_ADMIN"]}), json!({})),
            rule("reboot", json!({"caps": ["CAP_SYS_BOOT"]}), json!({})),
            rule("refused-bpf", json!({}), json!({"caps": ["CAP_SYS_ADMIN"]})),
            rule("arm", json!({"arches": ["arm"]}), json!({})),
        ]});
        let resolved = resolve(&profile, &["CAP_SYS_ADMIN".to_owned()]);
        let names: Vec<&str> =
            resolved["syscalls"].as_array().unwrap().iter().filter_map(|rule| rule["names"][0].as_str()).collect();
        assert_eq!(names, ["read", "bpf"]);
    }
}
