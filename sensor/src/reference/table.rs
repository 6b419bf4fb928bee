//! Tables in Markdown.

/// A table with these heads; a line for each row.
pub fn table<const N: usize>(heads: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut out = line(&heads.map(str::to_owned)) + &line(&heads.map(|_| "---".to_owned()));
    for row in rows {
        out += &line(&row.map(|cell| cell.replace('|', "\\|")));
    }
    out
}

/// The text in the type of code.
pub fn code(text: &str) -> String {
    format!("`{text}`")
}
