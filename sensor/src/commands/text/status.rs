//! `sensor status` for people: health in one screen.
//!
//! What is well takes one line a subject; what is not stands below it, in words. The first line alone says whether to worry.

use super::{bytes, lasting, list, severity, word};
use crate::alert::printable;
use crate::terminal::Screen;
use serde_json::Value;
use std::fmt::Write;

/// Columns of the subject.
const SUBJECT: usize = 11;

/// Health and losses.
pub fn status(answer: &Value, screen: Screen) -> String {
    let mut page = Page { out: String::new(), screen };
    page.first_line(answer);
    page.hooks(&answer["hooks"]);
    page.losses(answer);
    page.rings(list(answer, "rings"));
    page.watching(answer);
    page.outputs(list(answer, "outputs"));
    page.rest(answer);
    page.alerts(answer);
    page.out
}

struct Page {
    out: String,
    screen: Screen,
}

impl Page {
    /// A line of a subject; the subject is left out in the lines after its first.
    fn line(&mut self, subject: &str, text: &str) {
        let line = format!("{subject:<SUBJECT$}{text}");
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{}", line.trim_end());
    }

    fn bad(&self, text: &str) -> String {
        self.screen.paint.paint("1;31", text)
    }

    fn first_line(&mut self, answer: &Value) {
        let trouble = trouble(answer);
        let health = match (answer["ready"] == true, trouble.is_empty()) {
            (true, true) => self.screen.paint.paint("1;32", "well"),
            (true, false) => self.bad(&trouble.join(", ")),
            (false, _) => self.bad("not ready"),
        };
        let (pid, up) = (&answer["pid"], lasting(answer["uptime_seconds"].as_u64().unwrap_or(0)));
        let version = word(answer, "version");
        let _ = writeln!(self.out, "sensor {version}: {health}  (pid {pid}, up {up})");
    }

    fn hooks(&mut self, hooks: &Value) {
        let all = list(hooks, "hooks");
        let attached = all.iter().filter(|hook| hook["attached"] == true).count();
        let count = format!("{attached} of {} attached", all.len());
        let count = if attached == all.len() { count } else { self.bad(&count) };
        self.line("hooks", &format!("{} set, {count}", word(hooks, "set")));
        self.line("", &self.screen.paint.dim(&printable(word(hooks, "reason"))));
        for hook in all.iter().filter(|hook| hook["attached"] == false) {
            let (name, reason, covers) = (word(hook, "name"), word(hook, "reason"), word(hook, "covers"));
            let misses = if covers.is_empty() { String::new() } else { format!("; not seen: {covers}") };
            self.line("", &format!("{} {name}: {}{misses}", self.bad("not attached"), printable(reason)));
        }
    }

    fn losses(&mut self, answer: &Value) {
        let lost = list(answer, "lost");
        if lost.is_empty() {
            return self.line("losses", "none");
        }
        let blind = answer["blind_seconds"].as_f64().unwrap_or(0.0);
        self.line("losses", &format!("{}, blind for {blind:.1}s in all", self.bad("LOST")));
        for loss in lost {
            let (ring, reason) = (word(loss, "ring"), word(loss, "reason"));
            let kind = loss["kind"].as_str().unwrap_or("events");
            self.line("", &format!("{} {kind} from the {ring} ring: {reason}", loss["count"]));
        }
    }

    fn rings(&mut self, rings: &[Value]) {
        let each = rings.iter().map(|ring| {
            let number = |key: &str| ring[key].as_u64().unwrap_or(0);
            let percent = number("bytes") * 100 / number("capacity").max(1);
            format!("{} {percent} % of {}", word(ring, "ring"), bytes(number("capacity")))
        });
        self.line("rings", &each.collect::<Vec<_>>().join(", "));
    }

    fn watching(&mut self, answer: &Value) {
        let roles: Vec<String> = answer["servers_by_role"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, count)| count.as_u64() != Some(0))
            .map(|(role, count)| format!("{role} {count}"))
            .collect();
        let roles = if roles.is_empty() { String::new() } else { format!(" ({})", roles.join(", ")) };
        let (servers, watched) = (&answer["servers"], &answer["watched_directories"]);
        self.line("servers", &format!("{servers}{roles}, {watched} directories watched"));
        let (processes, ledger) = (&answer["processes"], &answer["ledger"]);
        self.line("following", &format!("{processes} processes, {ledger} written files"));
        for (key, what) in
            [("process_evictions", "processes were pushed out"), ("servers_refused", "servers got no number")]
        {
            if let Some(count) = answer[key].as_u64().filter(|count| *count > 0) {
                self.line("", &self.bad(&format!("{count} {what}: the table was full")));
            }
        }
    }

    fn outputs(&mut self, outputs: &[Value]) {
        for (at, output) in outputs.iter().enumerate() {
            let number = |key: &str| output[key].as_u64().unwrap_or(0);
            let mut text = format!("{:<8} ", word(output, "output"));
            text.push_str(&match output["down_seconds"].as_u64() {
                None if output["up"] == true => "up".to_owned(),
                None => self.bad("CLOSED"),
                Some(seconds) => self.bad(&format!("DOWN for {}", lasting(seconds))),
            });
            let _ = write!(text, ", {} delivered", number("delivered"));
            if number("waiting") > 0 {
                let _ = write!(text, ", {} waiting", number("waiting"));
            }
            if number("spooled") > 0 {
                let _ = write!(text, ", {} on disk ({})", number("spooled"), bytes(number("spool_bytes")));
            }
            if number("dropped") > 0 {
                let _ = write!(text, ", {}", self.bad(&format!("{} DROPPED", number("dropped"))));
            }
            self.line(if at == 0 { "outputs" } else { "" }, &text);
            if let Some(error) = output["error"].as_str() {
                self.line("", &format!("         {}", printable(error)));
            }
        }
    }

    fn rest(&mut self, answer: &Value) {
        if let Some(address) = answer["metrics"].as_str() {
            match answer["metrics_ended"].as_str() {
                None => self.line("metrics", address),
                Some(why) => {
                    let ended = format!("{} until the sensor is started again ({})", self.bad("ENDED"), printable(why));
                    self.line("metrics", &ended);
                }
            }
        }
        if let Some(refused) = answer["refused_system_calls"].as_u64().filter(|refused| *refused > 0) {
            let refused = self.bad(&format!("{refused} SYSTEM CALLS OF ITS OWN REFUSED"));
            self.line("privileges", &format!("{refused}: please report what the log says"));
        }
        if let Some(trouble) = answer["state"]["trouble"].as_str() {
            let kept = if answer["state"]["path"].is_null() { "STATE IS NOT KEPT" } else { "trouble" };
            self.line("state", &format!("{}: {}", self.bad(kept), printable(trouble)));
        }
        let exceptions = list(answer, "exceptions");
        for (at, exception) in exceptions.iter().enumerate() {
            let state = if exception["expired"] == true { "EXPIRED, covers nothing" } else { "in force" };
            let (detector, reason) = (word(exception, "detector"), printable(word(exception, "reason")));
            let text = format!("{detector} ({reason}): {state}, covered {}", exception["hits"]);
            self.line(if at == 0 { "exceptions" } else { "" }, &text);
        }
        let events: Vec<String> = answer["events"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(kind, count)| count.as_u64() != Some(0) && kind.as_str() != "tick")
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        self.line("events", &events.join(", "));
    }

    fn alerts(&mut self, answer: &Value) {
        let latest = list(answer, "latest_alerts");
        let open = &answer["incidents_open"];
        let none = if latest.is_empty() { ", no alert yet" } else { "; the latest alerts:" };
        self.line("incidents", &format!("{open} open{none}"));
        for alert in latest {
            let (name, detector) = (word(alert, "severity"), word(alert, "detector"));
            let id: String = word(alert, "id").chars().take(12).collect();
            // To the second.
            let time: String = word(alert, "time").chars().take(19).collect();
            let name = format!("{name:<8}");
            let name =
                severity(name.trim_end()).map_or(name.clone(), |severity| self.screen.paint.severity(severity, &name));
            self.line("", &format!("{time}Z  {id}  {name}  {detector}  {}", word(alert, "server")));
        }
    }
}

/// What there is to worry about, for the first line.
fn trouble(answer: &Value) -> Vec<String> {
    let mut trouble = Vec::new();
    if answer["blind"] == true {
        trouble.push("BLIND: lost records are not healed yet".to_owned());
    } else if !list(answer, "lost").is_empty() {
        trouble.push("records were lost".to_owned());
    }
    let down = list(answer, "outputs").iter().filter(|output| output["up"] == false);
    let down: Vec<&str> = down.map(|output| word(output, "output")).collect();
    if !down.is_empty() {
        trouble.push(format!("not delivering to {}", down.join(", ")));
    }
    if answer["state"]["trouble"].is_string() && answer["state"]["path"].is_null() {
        trouble.push("state is not kept".to_owned());
    }
    trouble
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn well() -> Value {
        json!({
            "version": "0.1.0", "pid": 7, "uptime_seconds": 3700, "ready": true, "blind": false, "blind_seconds": 0.0,
            "hooks": {"set": "tracepoint", "reason": "lockdown", "hooks": [{"name": "exec", "attached": true}]},
            "lost": [], "rings": [{"ring": "process", "bytes": 2048, "capacity": 4_194_304}],
            "servers": 2, "servers_by_role": {"web": 1, "database": 1, "mail": 0}, "watched_directories": 3,
            "processes": 40, "ledger": 1, "process_evictions": 0, "servers_refused": 0,
            "outputs": [{"output": "stdout", "up": true, "delivered": 4}],
            "metrics": "http://127.0.0.1:9842/metrics", "exceptions": [], "state": {"path": "/x.db"},
            "events": {"exec": 9, "fork": 0, "tick": 5}, "incidents_open": 1,
            "latest_alerts": [{"severity": "high", "detector": "server-shell", "id": "0123456789abcdef",
                "time": "2026-11-26T10:00:00.5Z", "server": "php-fpm"}],
        })
    }

    #[test]
    fn what_is_well_is_short() {
        let expected = "\
sensor 0.1.0: well  (pid 7, up 1h 1m)
hooks      tracepoint set, 1 of 1 attached
           lockdown
losses     none
rings      process 0 % of 4 MiB
servers    2 (database 1, web 1), 3 directories watched
following  40 processes, 1 written files
outputs    stdout   up, 4 delivered
metrics    http://127.0.0.1:9842/metrics
events     exec 9
incidents  1 open; the latest alerts:
           2026-11-26T10:00:00Z  0123456789ab  high      server-shell  php-fpm
";
        assert_eq!(status(&well(), Screen::PLAIN), expected);
    }

    #[test]
    fn what_is_not_well_comes_first() {
        let mut answer = well();
        answer["lost"] = json!([{"ring": "process", "reason": "ring_full", "kind": "fork", "count": 12}]);
        answer["outputs"][0] = json!({"output": "webhook", "up": false, "down_seconds": 65, "spooled": 3,
            "spool_bytes": 2048, "error": "connection refused"});
        let told = status(&answer, Screen::PLAIN);
        assert!(told.starts_with("sensor 0.1.0: records were lost, not delivering to webhook"), "{told}");
        for line in [
            "12 fork from the process ring: ring_full",
            "DOWN for 1m 5s, 0 delivered, 3 on disk (2 KiB)",
            "connection refused",
        ] {
            assert!(told.contains(line), "{line} is not in\n{told}");
        }
    }
}
