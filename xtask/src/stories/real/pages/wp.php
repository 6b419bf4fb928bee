#!/usr/bin/php
<?php
// The part of a command line tool that updates plugins: each is written anew beside the old and moved over it.
if (array_slice($argv, 1) !== ['plugin', 'update', '--all']) {
    exit(1);
}
$count = 0;
foreach (glob(getcwd().'/wp-content/plugins/hello/*.php') as $file) {
    file_put_contents("$file.new", file_get_contents($file)."// newer\n");
    rename("$file.new", $file);
    $count++;
}
echo "updated $count\n";
