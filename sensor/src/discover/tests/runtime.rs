//! Applications in general runtimes.

use super::case;

#[test]
fn the_scripts_directory_or_where_it_works() {
    let node = case(&["node", "--inspect", "app/server.js"], &[]).started_in("/srv/a");
    node.check("nodejs", &["app_source /srv/a/app (argv: script)"]);
    let node = case(&["node", "--require", "/opt/hook/h.js", "server.js"], &[]).started_in("/srv/a");
    // The first script on the line is the hook: both directories count.
    assert!(node.found("nodejs").contains(&"app_source /opt/hook (argv: script)".to_owned()));
    let gunicorn = case(&["gunicorn", "--chdir=/srv/b", "m:app"], &[]);
    gunicorn.check("python-wsgi", &["app_source /srv/b (argv: --chdir)"]);
    let gunicorn = case(&["gunicorn", "m:app"], &[]).started_in("/srv/c");
    gunicorn.check("python-wsgi", &["app_source /srv/c (working directory)"]);
    let puma = case(&["puma 5.6.5 (tcp://0.0.0.0:9292) [app]"], &[]).started_in("/").now_in("/srv/ruby");
    puma.check("ruby-app", &["app_source /srv/ruby (working directory)"]);
    let rackup = case(&["ruby", "/usr/bin/rackup", "/srv/r/config.ru"], &[]);
    rackup.check("ruby-app", &["app_source /srv/r (argv: script)"]);
}

#[test]
fn uwsgi_and_its_files() {
    let files = [(
        "/etc/uwsgi/apps-enabled/a.ini",
        "[uwsgi]\nplugins = python3\nplugins-dir = /opt/plugins\nchdir = /srv/u\nwsgi-file = web/app.py\n",
    )];
    let expected = [
        "config_loader /etc/uwsgi/apps-enabled/a.ini (argv: --ini)",
        "native_module /opt/plugins (a.ini: plugins_dir)",
        "app_source /srv/u (a.ini: chdir)",
        "app_source /srv/u/web (a.ini: wsgi_file)",
    ];
    case(&["uwsgi", "--ini", "/etc/uwsgi/apps-enabled/a.ini"], &files).check("uwsgi", &expected);
    let bare = case(&["uwsgi", "/etc/uwsgi/apps-enabled/a.ini"], &files).found("uwsgi");
    assert_eq!(bare[1..], expected[1..]);
    let expected = ["app_source /srv/o (argv: --wsgi-file)", "app_source /srv/w (working directory)"];
    case(&["uwsgi", "--wsgi-file", "/srv/o/app.py"], &[]).started_in("/srv/w").check("uwsgi", &expected);
}
