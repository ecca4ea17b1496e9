//! Finds, writes and compares Markdown tables.

/// Returns a table in Markdown.
pub fn table(header: &str, rows: &[String]) -> String {
    let columns = header.matches('|').count() - 1;
    format!("{header}\n|{}\n{}\n", "---|".repeat(columns), rows.join("\n"))
}

/// Returns the tables of a document with this header, each with the heading above it.
pub fn tables(document: &str, header: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut heading = "";
    let mut inside = false;
    for line in document.lines() {
        if let Some(title) = line.strip_prefix('#') {
            heading = title.trim_start_matches('#').trim();
        }
        if line == header {
            found.push((heading.to_owned(), String::new()));
            inside = true;
        }
        inside = inside && line.starts_with('|');
        if inside && let Some((_, table)) = found.last_mut() {
            table.push_str(line);
            table.push('\n');
        }
    }
    found
}

/// Asserts that a document has these tables with this header, in this order.
#[track_caller]
pub fn assert_tables(name: &str, document: &str, header: &str, expected: &[(String, String)]) {
    let found = tables(document, header);
    let wanted: Vec<_> = expected.iter().map(|(heading, table)| format!("## {heading}\n\n{table}")).collect();
    assert!(found == expected, "{name} differs from the code; expected tables:\n\n{}", wanted.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_found_again_under_its_heading() {
        let written = table("| a | b |", &["| 1 | 2 |".to_owned()]);
        assert_eq!(written, "| a | b |\n|---|---|\n| 1 | 2 |\n");
        let document =
            format!("# Title\n\n## One\n\n{written}\ntext\n\n### Two\n\n| c |\n|---|\n\n{written}");
        let heading = |title: &str| (title.to_owned(), written.clone());
        assert_eq!(tables(&document, "| a | b |"), [heading("One"), heading("Two")]);
    }

    #[test]
    #[should_panic(expected = "a.md differs from the code; expected tables:\n\n## One\n\n| a |")]
    fn a_table_under_another_heading_is_a_difference() {
        let written = table("| a |", &["| 1 |".to_owned()]);
        assert_tables("a.md", &format!("## Two\n\n{written}"), "| a |", &[("One".to_owned(), written)]);
    }
}
