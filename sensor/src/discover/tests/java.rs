//! Servers in a Java virtual machine.

use super::case;

#[test]
fn tomcat_of_debian() {
    let files = [
        (
            "/var/lib/tomcat10/conf/server.xml",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Server port=\"-1\"><Service name=\"Catalina\"><Engine name=\"Catalina\">\n\
             <!-- <Host appBase=\"/no\"/> -->\n<Host name=\"localhost\" appBase=\"webapps\" autoDeploy=\"true\">\n\
             <Context path=\"/x\" docBase=\"/srv/x\"/><Context path=\"/y\" docBase=\"y\"/></Host>\n\
             <Host name=\"b\" appBase=\"${catalina.base}/more\"/></Engine></Service></Server>\n",
        ),
        ("/var/lib/tomcat10/conf/Catalina/localhost/z.xml", "<Context docBase=\"/srv/z.war\"/>"),
    ];
    let argv = [
        "/usr/lib/jvm/default-java/bin/java",
        "-Djava.util.logging.config.file=/var/lib/tomcat10/conf/logging.properties",
        "-classpath",
        "/usr/share/tomcat10/bin/bootstrap.jar:/usr/share/tomcat10/bin/tomcat-juli.jar",
        "-Dcatalina.base=/var/lib/tomcat10",
        "-Dcatalina.home=/usr/share/tomcat10",
        "org.apache.catalina.startup.Bootstrap",
        "start",
    ];
    let expected = [
        "webapp /var/lib/tomcat10/webapps (argv: -Dcatalina.base)",
        "webapp /var/lib/tomcat10/lib (argv: -Dcatalina.base)",
        "config_loader /var/lib/tomcat10/conf (argv: -Dcatalina.base)",
        "config_loader /var/lib/tomcat10/conf/server.xml (server.xml)",
        "config_loader /var/lib/tomcat10/conf/Catalina/localhost/z.xml (contexts of server.xml)",
        "webapp /srv/x (server.xml: context@docbase)",
        "webapp /var/lib/tomcat10/more (server.xml: host@appbase)",
        "webapp /srv/z.war (z.xml: context@docbase)",
        "webapp /usr/share/tomcat10/lib (argv: -Dcatalina.home)",
        "app_source /usr/share/tomcat10/bin (argv: -classpath)",
    ];
    case(&argv, &files).check("tomcat", &expected);
    let found = case(&["java", "Bootstrap"], &[]).environment("CATALINA_BASE=/b\0").found("tomcat");
    assert_eq!(found[0], "webapp /b/webapps (environment: CATALINA_BASE)");
}

#[test]
fn jetty_wildfly_and_jenkins() {
    let argv = [
        "java",
        "-Djetty.base=/var/lib/jetty9",
        "-Djetty.home=/usr/share/jetty9",
        "-jar",
        "/usr/share/jetty9/start.jar",
    ];
    let expected = [
        "webapp /var/lib/jetty9/webapps (argv: -Djetty.base)",
        "webapp /var/lib/jetty9/lib (argv: -Djetty.base)",
        "config_loader /var/lib/jetty9/start.d (argv: -Djetty.base)",
        "config_loader /var/lib/jetty9/etc (argv: -Djetty.base)",
        "webapp /usr/share/jetty9/webapps (argv: -Djetty.home)",
        "webapp /usr/share/jetty9/lib (argv: -Djetty.home)",
        "app_source /usr/share/jetty9 (argv: -jar)",
    ];
    case(&argv, &[]).check("jetty", &expected);
    let argv = ["java", "-Djboss.server.base.dir=/opt/w/standalone", "-jar", "/opt/w/jboss-modules.jar"];
    let expected = [
        "webapp /opt/w/standalone/deployments (argv: -Djboss.server.base.dir)",
        "webapp /opt/w/standalone/data/content (argv: -Djboss.server.base.dir)",
        "config_loader /opt/w/standalone/configuration (argv: -Djboss.server.base.dir)",
        "app_source /opt/w (argv: -jar)",
    ];
    case(&argv, &[]).check("wildfly", &expected);
    let expected = [
        "plugin /var/lib/jenkins/plugins (environment: JENKINS_HOME)",
        "app_source /var/lib/jenkins/init.groovy.d (environment: JENKINS_HOME)",
        "app_source /usr/share/java (argv: -jar)",
    ];
    let jenkins = case(&["java", "-jar", "/usr/share/java/jenkins.war"], &[]);
    jenkins.environment("HOME=/x\0JENKINS_HOME=/var/lib/jenkins\0").check("jenkins", &expected);
}

#[test]
fn elasticsearch_and_class_paths() {
    let argv = ["java", "-Des.path.home=/usr/share/elasticsearch", "-Des.path.conf=/etc/elasticsearch"];
    let expected = [
        "plugin /usr/share/elasticsearch/plugins (argv: -Des.path.home)",
        "plugin /usr/share/elasticsearch/modules (argv: -Des.path.home)",
        "app_source /usr/share/elasticsearch/lib (argv: -Des.path.home)",
        "config_loader /etc/elasticsearch/ (argv: -Des.path.conf)",
    ];
    case(&argv, &[]).check("elasticsearch-opensearch", &expected);
    let argv = ["java", "-javaagent:/opt/agent/a.jar=x=1", "-cp", "/app/classes:/app/lib/*:extra.jar", "Main"];
    let expected = [
        "app_source /app/classes (argv: -cp)",
        "app_source /app/lib (argv: -cp)",
        "app_source /srv/j (argv: -cp)",
        "app_source /opt/agent (argv: -javaagent)",
    ];
    case(&argv, &[]).started_in("/srv/j").check("java", &expected);
    let expected = ["app_source /srv/j/target (argv: -jar)"];
    case(&["java", "-jar", "target/app.jar"], &[]).started_in("/srv/j").check("spring-boot", &expected);
}
