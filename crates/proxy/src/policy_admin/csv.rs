//! Rows as comma-separated values: RFC 4180.

use std::fmt;

use bonafide_policy::{Mapping, MappingRow, PolicyErrors};

/// The columns, in the order in which they are written.
const COLUMNS: [&str; 8] =
    ["id", "issuer", "group_name", "tenant", "tools", "effect", "subtree", "note"];

/// How many problems a message lists.
const SHOWN: usize = 100;

/// What is wrong with a CSV text: lines and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvError(Vec<(usize, String)>);

impl CsvError {
    fn at(line: usize, problem: impl Into<String>) -> Self {
        Self(vec![(line, problem.into())])
    }

    /// Problems of mappings that were read from these lines.
    pub(super) fn wrong(errors: &PolicyErrors, lines: &[usize]) -> Self {
        let line = |rule: Option<usize>| rule.and_then(|rule| lines.get(rule)).copied();
        let problem = errors.iter().map(|error| {
            let column = error.key.column();
            (line(error.rule).unwrap_or_default(), format!("`{column}`: {}", error.problem))
        });
        Self(problem.collect())
    }
}

/// One problem a line, the first hundred of them.
impl fmt::Display for CsvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (line, problem)) in self.0.iter().take(SHOWN).enumerate() {
            let before = if index == 0 { "" } else { "\n" };
            write!(f, "{before}line {line}: {problem}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more problems"),
        }
    }
}

impl std::error::Error for CsvError {}

/// The rows, each with its line.
pub(super) fn read(text: &str) -> Result<Vec<(usize, Mapping)>, CsvError> {
    let mut records = records(text.strip_prefix('\u{feff}').unwrap_or(text))?.into_iter();
    let (_, header) = records.next().ok_or_else(|| CsvError::at(1, missing_header()))?;
    for (index, name) in header.iter().enumerate() {
        if !COLUMNS.contains(&name.as_str()) {
            let problem = format!("`{}` is no column: {}", name.escape_debug(), missing_header());
            return Err(CsvError::at(1, problem));
        }
        if header.iter().take(index).any(|before| before == name) {
            return Err(CsvError::at(1, format!("the column `{name}` stands twice")));
        }
    }
    for needed in ["group_name", "tenant"] {
        if header.iter().all(|name| name != needed) {
            return Err(CsvError::at(1, format!("the column `{needed}` is missing")));
        }
    }
    records.map(|(line, fields)| Ok((line, mapping(line, &header, fields)?))).collect()
}

fn missing_header() -> String {
    format!("the first line names the columns, of `{}`", COLUMNS.join("`, `"))
}

fn mapping(line: usize, header: &[String], fields: Vec<String>) -> Result<Mapping, CsvError> {
    if fields.len() != header.len() {
        let problem = format!("there are {} fields for {} columns", fields.len(), header.len());
        return Err(CsvError::at(line, problem));
    }
    let mut mapping = Mapping::allow("", "");
    for (name, field) in header.iter().zip(fields) {
        let given = !field.is_empty();
        match name.as_str() {
            "group_name" => mapping.group = field,
            "tenant" => mapping.tenant = field,
            "issuer" => mapping.issuer = given.then_some(field),
            "note" => mapping.note = given.then_some(field),
            "tools" if given => mapping.tools = field,
            "effect" if given => {
                mapping.effect = field
                    .parse()
                    .map_err(|problem| CsvError::at(line, format!("`effect`: {problem}")))?;
            }
            "subtree" if given => mapping.subtree = truth(line, &field)?,
            _ => {}
        }
    }
    Ok(mapping)
}

/// As databases write it.
fn truth(line: usize, field: &str) -> Result<bool, CsvError> {
    match field.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" => Ok(false),
        _ => Err(CsvError::at(line, "`subtree`: write `true` or `false`")),
    }
}

/// Records with the lines that they begin in. Lines without anything in them are none.
fn records(text: &str) -> Result<Vec<(usize, Vec<String>)>, CsvError> {
    let mut records = Vec::new();
    let (mut line, mut rest) = (1_usize, text);
    while !rest.is_empty() {
        let begin = line;
        let mut fields = Vec::new();
        loop {
            let (field, after) = field(rest, &mut line)?;
            fields.push(field);
            rest = after;
            match rest.strip_prefix(',') {
                Some(after) => rest = after,
                None => break,
            }
        }
        rest = rest.strip_prefix('\r').unwrap_or(rest);
        rest = rest.strip_prefix('\n').unwrap_or(rest);
        line = line.saturating_add(1);
        if fields.len() > 1 || fields.iter().any(|field| !field.is_empty()) {
            records.push((begin, fields));
        }
    }
    Ok(records)
}

/// One field, and what comes after it: a comma, the end of a line, or nothing.
fn field<'t>(text: &'t str, line: &mut usize) -> Result<(String, &'t str), CsvError> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', '\n', '"']).unwrap_or(text.len());
        let (field, after) = text.split_at(end);
        if after.starts_with('"') {
            let problem = "a field with quotation marks in it stands between quotation marks, and has each of them twice";
            return Err(CsvError::at(*line, problem));
        }
        let field = if after.starts_with(',') { field } else { field.trim_end_matches('\r') };
        return Ok((field.to_owned(), text.get(field.len()..).unwrap_or_default()));
    };
    let begin = *line;
    let mut field = String::new();
    loop {
        let Some((part, after)) = rest.split_once('"') else {
            return Err(CsvError::at(begin, "a quotation mark is not closed"));
        };
        field.push_str(part);
        *line = line.saturating_add(part.matches('\n').count());
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None if after.is_empty() || after.starts_with([',', '\r', '\n']) => {
                return Ok((field, after));
            }
            None => {
                return Err(CsvError::at(*line, "after a quotation mark comes a comma or the end"));
            }
        }
    }
}

pub(super) fn write(rows: &[MappingRow]) -> String {
    let mut text = COLUMNS.join(",") + "\n";
    for MappingRow { id, mapping } in rows {
        let id = id.to_string();
        let fields = [
            id.as_str(),
            mapping.issuer.as_deref().unwrap_or_default(),
            &mapping.group,
            &mapping.tenant,
            &mapping.tools,
            mapping.effect.as_str(),
            if mapping.subtree { "true" } else { "false" },
            mapping.note.as_deref().unwrap_or_default(),
        ];
        text += &fields.map(quoted).join(",");
        text.push('\n');
    }
    text
}

fn quoted(field: &str) -> String {
    let plain = !field.contains([',', '"', '\r', '\n']) && field.trim() == field;
    if plain { field.to_owned() } else { format!("\"{}\"", field.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, mapping: Mapping) -> MappingRow {
        MappingRow { id, mapping }
    }

    #[test]
    fn reads_what_it_writes() {
        let rows = [
            row(1, Mapping::allow("MCP-GitHub", "github")),
            row(7, Mapping::deny("a,\"b\"\r\nc", "github").with_tools("read_*, list_*")),
            row(8, Mapping::allow("/eng", "jira").with_issuer("https://i.example").with_subtree()),
            row(9, Mapping::allow(" spaces ", "jira").with_note("two\n\nlines, \"quoted\"")),
        ];
        let text = write(&rows);
        let read = read(&text).unwrap();
        assert!(read.iter().map(|(_, mapping)| mapping).eq(rows.iter().map(|row| &row.mapping)));
        assert_eq!(read.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 5, 6]);
    }

    #[test]
    fn reads_what_spreadsheets_and_databases_write() {
        let team = Mapping::allow("MCP-GitHub", "github");
        for text in [
            "group_name,tenant\nMCP-GitHub,github\n",
            "group_name,tenant\r\nMCP-GitHub,github",
            "\u{feff}tenant,group_name\r\n\r\ngithub,MCP-GitHub\r\n\r\n",
            "\"group_name\",\"tenant\",\"tools\"\n\"MCP-GitHub\",\"github\",\"\"\n",
            "id,group_name,tenant,effect,subtree\n5,MCP-GitHub,github,allow,f\n",
        ] {
            let read: Vec<_> =
                read(text).unwrap().into_iter().map(|(_, mapping)| mapping).collect();
            assert_eq!(read, std::slice::from_ref(&team), "{text:?}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_read_and_names_the_line() {
        for (text, line, problem) in [
            ("", 1, "the first line names the columns"),
            ("MCP-GitHub,github\n", 1, "`MCP-GitHub` is no column"),
            ("group_name\ng\n", 1, "the column `tenant` is missing"),
            ("tenant,group_name,tenant\n", 1, "the column `tenant` stands twice"),
            ("group_name,tenant\na,b\n\nc\n", 4, "1 fields for 2 columns"),
            ("group_name,tenant\na,b,c\n", 2, "3 fields for 2 columns"),
            ("group_name,tenant\n\"a,b\n", 2, "not closed"),
            ("group_name,tenant\n\"a\nb\"c,d\n", 3, "comes a comma or the end"),
            ("group_name,tenant\na\"b,c\n", 2, "between quotation marks"),
            ("group_name,tenant,effect\na,b,forbid\n", 2, "`effect`: an effect is"),
            ("group_name,tenant,subtree\na,b,maybe\n", 2, "`subtree`: write"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.0[0].0, line, "{text:?} {error}");
            assert!(error.to_string().contains(problem), "{text:?} {error}");
        }
    }
}
