//! Web servers, proxies and PHP.

use super::case;

#[test]
fn nginx_roots_through_includes() {
    let files = [
        (
            "/t/nginx.conf",
            "# root /no;\nhttp { include conf.d/*.conf; server { root \"/srv/a b\"; location / { alias /srv/x/$host/y; } } }",
        ),
        ("/t/conf.d/one.conf", "server { root html; }\n"),
        ("/t/conf.d/loop.conf", "include conf.d/loop.conf;"),
    ];
    let expected = [
        "config_loader /t/nginx.conf (argv: -c)",
        "config_loader /t/conf.d/loop.conf (nginx.conf: include)",
        "script_docroot /t/html (one.conf: root)",
        "script_docroot /srv/a b (nginx.conf: root)",
        "script_docroot /srv/x (nginx.conf: alias)",
    ];
    case(&["nginx", "-p", "/t", "-c", "nginx.conf"], &files).check("nginx", &expected);
    case(&["nginx: master process /usr/sbin/nginx -p /t/ -c /t/nginx.conf"], &files).check("nginx", &expected);
}

#[test]
fn nginx_of_debian() {
    let files = [
        (
            "/etc/nginx/nginx.conf",
            "user www-data;\ninclude /etc/nginx/modules-enabled/*.conf;\nhttp {\n\tlua_package_path \"/srv/lua/?.lua;;\";\n\
             \tjs_import main from http/main.js;\n\tinclude /etc/nginx/conf.d/*.conf;\n\tinclude /etc/nginx/sites-enabled/*;\n}\n",
        ),
        ("/etc/nginx/modules-enabled/50-mod-stream.conf", "load_module modules/ngx_stream_module.so;\n"),
        (
            "/etc/nginx/sites-enabled/default",
            "server {\n\troot /var/www/html;\n\tlocation /l { content_by_lua_file /srv/lua/handlers/l.lua; }\n}\n",
        ),
    ];
    let expected = [
        "config_loader /etc/nginx/nginx.conf (usual place)",
        "config_loader /etc/nginx/modules-enabled/50-mod-stream.conf (nginx.conf: include)",
        "config_loader /etc/nginx/conf.d (nginx.conf: include)",
        "config_loader /etc/nginx/sites-enabled/default (nginx.conf: include)",
        "native_module /usr/share/nginx/modules (50-mod-stream.conf: load_module)",
        "app_source /srv/lua (nginx.conf: lua_package_path)",
        "app_source /usr/share/nginx/http (nginx.conf: js_import)",
        "script_docroot /var/www/html (default: root)",
        "app_source /srv/lua/handlers (default: content_by_lua_file)",
        "native_module /opt/m (command line: load_module)",
    ];
    case(&["nginx", "-g", "daemon off; load_module /opt/m/x.so;"], &files).check("nginx", &expected);
}

#[test]
fn nginx_without_a_configuration_or_with_an_odd_one() {
    case(&["nginx"], &[]).check("nginx", &[]);
    let files = [("/etc/nginx/nginx.conf", "root;{{{}}}\"unclosed")];
    case(&["nginx"], &files).check("nginx", &["config_loader /etc/nginx/nginx.conf (usual place)"]);
}

#[test]
fn apache_of_debian() {
    let files = [
        (
            "/etc/apache2/apache2.conf",
            "DefaultRuntimeDir ${APACHE_RUN_DIR}\nDefine SITES /srv/sites\nIncludeOptional mods-enabled/*.load\n\
             Include ports.conf\n<Directory /usr/share>\n\tRequire all granted\n</Directory>\nIncludeOptional sites-enabled/*.conf\n\
             Include ${APACHE_CONFDIR}/local\n",
        ),
        ("/etc/apache2/envvars", "export APACHE_RUN_USER=www-data\nexport APACHE_RUN_DIR=/var/run/apache2$SUFFIX\n"),
        ("/etc/apache2/ports.conf", "Listen 80\n"),
        ("/etc/apache2/mods-enabled/alias.load", "LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so\n"),
        ("/etc/apache2/mods-enabled/php8.2.load", "LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so\n"),
        (
            "/etc/apache2/sites-enabled/a.conf",
            "<VirtualHost *:80>\n  DocumentRoot \"${SITES}/a\"\n  ScriptAlias /cgi/ /srv/cgi/\n  Alias /s ${UNKNOWN}/s\n\
               WSGIScriptAlias / /srv/w/app.wsgi\n</VirtualHost>\n<VirtualHost *:81>\n  DocumentRoot htdocs\n</VirtualHost>\n",
        ),
        ("/etc/apache2/local/x.conf", "DocumentRoot ${APACHE_RUN_DIR}/www\n"),
        ("/etc/php/8.2/apache2/php.ini", "extension_dir = \"/srv/php/ext\"\n"),
        ("/etc/php/8.2/apache2/conf.d/10-opcache.ini", "zend_extension=opcache.so\n"),
    ];
    let expected = [
        "config_loader /etc/apache2/envvars (usual place)",
        "config_loader /etc/apache2/apache2.conf (usual place)",
        "config_loader /etc/apache2/mods-enabled/alias.load (apache2.conf: includeoptional)",
        "config_loader /etc/apache2/sites-enabled/a.conf (apache2.conf: includeoptional)",
        "config_loader /etc/apache2/local (apache2.conf: include)",
        "native_module /usr/lib/apache2/modules (alias.load: loadmodule)",
        "script_docroot /srv/sites/a (a.conf: documentroot)",
        "exec_script /srv/cgi (a.conf: scriptalias)",
        "app_source /srv/w (a.conf: wsgiscriptalias)",
        "script_docroot /etc/apache2/htdocs (a.conf: documentroot)",
        "script_docroot /var/run/apache2/www (x.conf: documentroot)",
        "config_loader /etc/php/8.2/apache2/conf.d (usual place)",
        "config_loader /etc/php/8.2/apache2/php.ini (usual place)",
        "config_loader /etc/php/8.2/apache2/conf.d/10-opcache.ini (usual place)",
        "native_module /srv/php/ext (php.ini: extension_dir)",
    ];
    case(&["/usr/sbin/apache2", "-k", "start"], &files).check("apache-httpd", &expected);
}

#[test]
fn apache_elsewhere() {
    let files = [
        (
            "/etc/httpd/conf/httpd.conf",
            "ServerRoot \"/etc/httpd\"\nInclude conf.modules.d/*.conf\nDocumentRoot /srv/h\n",
        ),
        ("/etc/httpd/conf.modules.d/00-base.conf", "LoadModule x modules/mod_x.so\n"),
    ];
    let expected = [
        "config_loader /etc/httpd/conf/httpd.conf (usual place)",
        "config_loader /etc/httpd/conf.modules.d/00-base.conf (httpd.conf: include)",
        "native_module /etc/httpd/modules (00-base.conf: loadmodule)",
        "script_docroot /srv/h (httpd.conf: documentroot)",
    ];
    case(&["/usr/sbin/httpd", "-DFOREGROUND"], &files).check("apache-httpd", &expected);
    let second = [("/etc/apache2-two/apache2.conf", "DocumentRoot /srv/two\n")];
    let expected = [
        "config_loader /etc/apache2-two/apache2.conf (environment: APACHE_CONFDIR)",
        "script_docroot /srv/two (apache2.conf: documentroot)",
    ];
    let two = case(&["/usr/sbin/apache2", "-k", "start"], &second);
    two.environment("APACHE_CONFDIR=/etc/apache2-two\0").check("apache-httpd", &expected);
}

#[test]
fn php_built_in_server() {
    let expected = ["script_docroot /srv/a/pub (argv: -t)"];
    case(&["php", "-S", "127.0.0.1:1", "-t", "pub"], &[]).started_in("/srv/a").check("php-fpm", &expected);
    let expected = ["script_docroot /srv/a (working directory)"];
    case(&["php", "-S", "127.0.0.1:1"], &[]).started_in("/srv/a").check("php", &expected);
}

const FPM: &[(&str, &str)] = &[
    (
        "/etc/php/8.2/fpm/php-fpm.conf",
        "[global]\npid = /run/php/php8.2-fpm.pid\n; comment\ninclude=/etc/php/8.2/fpm/pool.d/*.conf\n",
    ),
    (
        "/etc/php/8.2/fpm/pool.d/www.conf",
        "[www]\nuser = www-data\n;chdir = /no\nchdir = /srv/app\nphp_admin_value[doc_root] = \"/srv/app/public\"\n\
         php_admin_value[extension_dir] = /opt/ext\n",
    ),
    (
        "/etc/php/8.2/fpm/php.ini",
        ";extension_dir = \"./\"\nauto_prepend_file = /srv/pre/p.php ; why\nauto_append_file =\n",
    ),
    ("/etc/php/8.2/fpm/conf.d/20-x.ini", "extension=x.so\nzend_extension=/opt/zend/z.so\n"),
    ("/usr/lib/php/20220829/x.so", ""),
];

#[test]
fn php_fpm_of_debian() {
    let expected = [
        "config_loader /etc/php/8.2/fpm/php-fpm.conf (process title)",
        "config_loader /etc/php/8.2/fpm/pool.d/www.conf (php-fpm.conf: include)",
        "script_docroot /srv/app (www.conf: chdir)",
        "script_docroot /srv/app/public (www.conf: php_admin_value[doc_root])",
        "native_module /opt/ext (www.conf: php_admin_value[extension_dir])",
        "config_loader /etc/php/8.2/fpm/conf.d (usual place)",
        "config_loader /etc/php/8.2/fpm/php.ini (usual place)",
        "config_loader /etc/php/8.2/fpm/conf.d/20-x.ini (usual place)",
        "script_docroot /srv/pre (php.ini: auto_prepend_file)",
        "native_module /opt/zend (20-x.ini: zend_extension)",
        "native_module /usr/lib/php/20[0-9]* (usual place)",
    ];
    let title = ["php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)"];
    case(&title, FPM).executable("/usr/sbin/php-fpm8.2").check("php-fpm", &expected);
}

#[test]
fn php_fpm_by_its_arguments() {
    let files = [("/t/f.conf", "[a]\nchdir=/srv/a\n"), ("/t/php.ini", "extension_dir=/no\n"), ("/t/d/a.ini", "")];
    let argv = ["php-fpm8.2", "-F", "-y", "/t/f.conf", "-n", "-d", "extension_dir=/opt/e"];
    let expected = [
        "config_loader /t/f.conf (argv: -y)",
        "script_docroot /srv/a (f.conf: chdir)",
        "native_module /opt/e (argv: -d)",
    ];
    case(&argv, &files).check("php-fpm", &expected);
    let argv = ["php-fpm", "-y", "/t/f.conf", "-c", "/t"];
    let expected = [
        "config_loader /t/f.conf (argv: -y)",
        "script_docroot /srv/a (f.conf: chdir)",
        "config_loader /t/d (environment: PHP_INI_SCAN_DIR)",
        "config_loader /t/php.ini (argv: -c)",
        "config_loader /t/d/a.ini (environment: PHP_INI_SCAN_DIR)",
        "native_module /no (php.ini: extension_dir)",
    ];
    case(&argv, &files).environment("PHP_INI_SCAN_DIR=/t/d\0").check("php-fpm", &expected);
}

#[test]
fn lighttpd_haproxy_and_caddy() {
    let files = [
        (
            "/etc/lighttpd/lighttpd.conf",
            "server.modules = (\n\t\"mod_indexfile\",\n)\nserver.document-root = \"/var/www/html\"\n\
             $HTTP[\"host\"] == \"b\" {\n server.document-root=\"/srv/b\"\n}\ninclude \"/etc/lighttpd/conf-enabled/*.conf\"\n",
        ),
        ("/etc/lighttpd/conf-enabled/10-x.conf", "magnet.attract-physical-path-to = \"/srv/m/x.lua\"\n"),
    ];
    let expected = [
        "config_loader /etc/lighttpd/lighttpd.conf (usual place)",
        "config_loader /etc/lighttpd/conf-enabled/10-x.conf (lighttpd.conf: include)",
        "script_docroot /var/www/html (lighttpd.conf: server.document_root)",
        "script_docroot /srv/b (lighttpd.conf: server.document_root)",
        "app_source /srv/m (10-x.conf: magnet.attract_physical_path_to)",
    ];
    case(&["lighttpd", "-D"], &files).check("lighttpd", &expected);
    let files = [
        (
            "/etc/haproxy/haproxy.cfg",
            "global\n\tlua-load /srv/lua/a.lua\n\tlua-prepend-path /srv/mods/?.lua\n\tlua-load b.lua\n",
        ),
        ("/etc/haproxy/conf.d/b.cfg", "backend b\n\texternal-check command /srv/checks/c.sh\n"),
    ];
    let expected = [
        "config_loader /etc/haproxy/haproxy.cfg (argv: -f)",
        "config_loader /etc/haproxy/conf.d (argv: -f)",
        "app_source /srv/lua (haproxy.cfg: lua_load)",
        "app_source /srv/mods (haproxy.cfg: lua_prepend_path)",
        "app_source /etc/haproxy (haproxy.cfg: lua_load)",
        "exec_script /srv/checks (b.cfg: external_check)",
    ];
    case(&["haproxy", "-f", "/etc/haproxy/haproxy.cfg", "-f", "/etc/haproxy/conf.d"], &files)
        .check("haproxy", &expected);
    let files = [
        ("/etc/caddy/Caddyfile", "import sites/*\n:80 {\n\troot * /srv/c\n\tfile_server\n}\n"),
        ("/etc/caddy/sites/b", "b.test {\n\troot /srv/b\n}\n"),
    ];
    let expected = [
        "config_loader /etc/caddy/Caddyfile (usual place)",
        "config_loader /etc/caddy/sites/b (Caddyfile: import)",
        "script_docroot /srv/b (b: root)",
        "script_docroot /srv/c (Caddyfile: root)",
    ];
    case(&["caddy", "run", "--environ"], &files).check("caddy", &expected);
}
