use super::*;

fn problems(text: &str, set: &[&str]) -> Vec<String> {
    let set: Vec<String> = set.iter().map(|pair| (*pair).to_owned()).collect();
    match Config::parse("sensor.toml", text, &set) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn nothing_written_gives_the_defaults() {
    let config = Config::parse("sensor.toml", "", &[]).unwrap();
    assert_eq!(config.kernel.process_ring_bytes, 4_194_304);
    assert_eq!(config.metrics.unwrap().to_string(), "127.0.0.1:9842");
    assert_eq!(config.output.stdout.format, Format::Pretty);
    assert!(!config.output.file.enabled);
    assert_eq!(config.socket, Path::new("/run/sensor/sensor.sock"));
    assert_eq!(config.state.as_deref(), Some(Path::new("/var/lib/sensor/state.db")));
    assert_eq!(config.learning_hours, 24);
}

#[test]
fn three_mistakes_are_listed_at_once() {
    let text = "[kernel]\nhooks = \"fast\"\nproces_ring_bytes = 4096\n\n[output.file]\nkeep = \"many\"\n";
    assert_eq!(
        problems(text, &[]),
        [
            "sensor.toml:2: kernel.hooks = \"fast\": cannot be used; allowed: auto, trampoline, tracepoint",
            "sensor.toml:3: kernel.proces_ring_bytes = 4096: no such key; did you mean kernel.process_ring_bytes?; \
             allowed: kernel.hooks, kernel.process_ring_bytes, kernel.activity_ring_bytes",
            "sensor.toml:6: output.file.keep = \"many\": cannot be used; allowed: a whole number from 0 to 1000",
        ]
    );
}

#[test]
fn bad_values_of_the_right_type_are_refused() {
    let text = "[kernel]\nprocess_ring_bytes = 5000\n[metrics]\nlisten = \"localhost\"\n";
    let found = problems(text, &["output.stdout.enabled=maybe", "nonsense"]);
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found[0].contains("a power of two"), "{}", found[0]);
    assert!(found[1].contains("ADDRESS:PORT"), "{}", found[1]);
    assert!(found.iter().any(|problem| problem.contains("output.stdout.enabled = \"maybe\"")), "{found:#?}");
}

#[test]
fn set_wins_over_the_file_and_needs_no_quotes() {
    let set = ["kernel.hooks=tracepoint".to_owned(), "output.file.keep=7".to_owned(), "metrics.listen=off".to_owned()];
    let config = Config::parse("sensor.toml", "[kernel]\nhooks = \"trampoline\"\n", &set).unwrap();
    assert_eq!(config.kernel.hooks, HookSet::Tracepoint);
    assert_eq!(config.output.file.keep, 7);
    assert_eq!(config.metrics, None);
}

#[test]
fn broken_toml_and_unknown_keys_come_together() {
    let found = problems("[kernel]\nhooks = \n[otput.stdout]\nenabled = true\n", &[]);
    assert!(found.iter().any(|problem| problem.starts_with("sensor.toml:2: not TOML")), "{found:#?}");
    assert!(found.iter().any(|problem| problem.contains("otput")), "{found:#?}");
}

#[test]
fn a_file_that_was_named_must_exist() {
    assert!(Config::load(Some(Path::new("/nonexistent/sensor.toml")), &[]).is_err());
}

#[test]
fn the_defaults_are_allowed() {
    for key in KEYS {
        let set = [format!("{}={}", key.name, key.default)];
        assert!(Config::parse("sensor.toml", "", &set).is_ok(), "{}", key.name);
    }
}

#[test]
fn an_exception_is_narrow_and_explained() {
    let good = "[[exception]]\ndetector = \"server-shell\"\nserver = \"php-fpm\"\nexe = \"/usr/bin/dash\"\n\
                args = \"-c /usr/sbin/sendmail *\"\nreason = \"PHP mail()\"\nexpires = \"2027-01-01\"\n";
    let config = Config::parse("sensor.toml", good, &[]).unwrap();
    assert_eq!(config.exceptions[0].expires_unix_ns, Some(1_798_761_600_000_000_000));
    let found = problems("[[exception]]\ndetector = \"server-shel\"\nexpire = 1\n", &[]);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found.iter().any(|problem| problem.contains("did you mean expires?")), "{found:#?}");
    assert!(found.iter().any(|problem| problem.contains("exception[0].reason: missing")), "{found:#?}");
    let broad = "[[exception]]\ndetector = \"server-shell\"\nreason = \"all of it\"\n";
    assert!(problems(broad, &[])[0].contains("at least one of exe, args, path"));
}

#[test]
fn state_is_a_database_of_its_own_or_off() {
    let config = Config::parse("sensor.toml", "[state]\npath = \"off\"\n[baseline]\nlearning_hours = 72\n", &[]);
    let config = config.unwrap();
    assert_eq!((config.state, config.learning_hours), (None, 72));
    for path in ["state.db", "/etc/passwd"] {
        let found = problems("", &[&format!("state.path={path}")]);
        let wanted = format!(
            "--set: state.path = \"{path}\": cannot be used; allowed: an absolute path that ends in .db, or \"off\""
        );
        assert_eq!(found, [wanted]);
    }
    assert_eq!(
        problems("[baseline]\nlearning_hours = 0\nlerning_hours = 3\n", &[]),
        [
            "sensor.toml:2: baseline.learning_hours = 0: cannot be used; allowed: a whole number from 1 to 8760",
            "sensor.toml:3: baseline.lerning_hours = 3: no such key; did you mean baseline.learning_hours?; \
             allowed: baseline.learning_hours",
        ]
    );
}

#[test]
fn a_webhook_has_an_address_and_no_password_is_ever_said() {
    let allowed = "http://HOST or https://HOST with a port and path, and no user or password";
    let secret = "[output.webhook]\nenabled = true\nurl = \"https://me:secret@example.org/\"\n";
    assert_eq!(
        problems(secret, &[]),
        [format!("sensor.toml:3: output.webhook.url: cannot be used; allowed: {allowed}")]
    );
    let without = "[output.webhook]\nenabled = true\n";
    assert_eq!(problems(without, &[]), [format!("configuration: output.webhook.url: must be set; allowed: {allowed}")]);
    let good =
        "[output.webhook]\nenabled = true\nurl = \"https://example.org/x\"\ntoken_file = \"/etc/sensor/token\"\n";
    let config = Config::parse("sensor.toml", good, &[]).unwrap();
    assert_eq!(config.output.webhook.token_file.as_deref(), Some(Path::new("/etc/sensor/token")));
    assert_eq!(config.output.webhook.ca_file, None);
}
