<?php
function escape(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES);
}

function article(int $number): array
{
    $authors = ['Ada & Co', 'Grace', 'Edsger', 'Barbara'];
    return ['id' => $number, 'title' => 'Article ' . ($number * 7919) % 1000, 'author' => $authors[$number % 4]];
}
