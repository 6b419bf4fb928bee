<?php
// A small page as a site without a framework has it: a library, some data, a template.
require __DIR__ . '/library.php';

$title = 'Articles';
$articles = [];
for ($number = 1; $number <= 20; $number++) {
    $articles[] = article($number);
}
usort($articles, fn($one, $other) => strcmp($one['title'], $other['title']));
header('Content-Type: text/html; charset=utf-8');
?>
<!DOCTYPE html>
<html><head><title><?= escape($title) ?></title></head><body>
<h1><?= escape($title) ?></h1>
<ul>
<?php foreach ($articles as $article): ?>
<li><a href="?id=<?= $article['id'] ?>"><?= escape($article['title']) ?></a> <?= escape($article['author']) ?></li>
<?php endforeach ?>
</ul>
</body></html>
