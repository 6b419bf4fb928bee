<?php
// What good applications do: mail, thumbnails, a version check, template caches, an updater.
function install($package, $name) {
    // The way of WordPress: unpack below upgrade/, then move into place.
    $content = __DIR__.'/wp-content';
    $stage = "$content/upgrade/$name-1";
    $archive = new PharData($package);
    $archive->extractTo($stage, null, true);
    rename("$stage/$name", "$content/plugins/$name");
    rmdir($stage);
    echo 'installed';
}
function update_core($package) {
    file_put_contents(__DIR__.'/.maintenance', '<?php $upgrading = '.time().';');
    $stage = __DIR__.'/wp-content/upgrade/wordpress-6.9';
    (new PharData($package))->extractTo($stage, null, true);
    $files = new RecursiveIteratorIterator(new RecursiveDirectoryIterator("$stage/wordpress", FilesystemIterator::SKIP_DOTS));
    $count = 0;
    foreach ($files as $file) {
        $to = __DIR__.'/'.substr($file, strlen("$stage/wordpress/"));
        if (!is_dir(dirname($to))) {
            mkdir(dirname($to), 0755, true);
        }
        copy($file, $to);
        unlink($file);
        $count++;
    }
    unlink(__DIR__.'/.maintenance');
    echo "updated $count";
}
switch ($_GET['do'] ?? '') {
    case 'mail':
        echo mail('somebody@localhost', 'subject', 'text') ? 'mailed' : 'refused';
        break;
    case 'thumbnail':
        $to = __DIR__.'/wp-content/uploads/2026/11/a-300.jpg';
        exec('/usr/bin/convert '.escapeshellarg($_GET['from'])." -resize 300x300 ".escapeshellarg($to), $lines, $code);
        echo $code === 0 ? 'made' : implode($lines);
        break;
    case 'version':
        echo shell_exec("/usr/bin/php -r 'echo phpversion();'");
        break;
    case 'twig':
        $where = __DIR__.'/sites/default/files/php/twig/65a_page.html.twig_x';
        mkdir($where, 0755, true);
        echo file_put_contents("$where/abc.php", "<?php class Template {}\n") ? 'compiled' : 'refused';
        break;
    case 'laravel':
        $where = __DIR__.'/storage/framework/views';
        mkdir($where, 0755, true);
        echo file_put_contents("$where/".sha1('view').'.php', "<?php echo e(\$name); ?>\n") ? 'compiled' : 'refused';
        break;
    case 'upload':
        echo move_uploaded_file($_FILES['file']['tmp_name'], __DIR__.'/wp-content/uploads/2026/11/photo.jpg') ? 'moved' : 'refused';
        break;
    case 'plugin':
        install($_GET['package'], $_GET['name']);
        break;
    case 'core':
        update_core($_GET['package']);
        break;
}
