//! One table of the file, read key by key.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problems;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
    /// The key from the root of the file.
    pub(crate) key: String,
}

impl<T> Located<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: f(self.value), span: self.span, key: self.key }
    }

    /// Records a problem with this value.
    pub(crate) fn problem(&self, problems: &mut Problems<'_>, message: impl Into<String>) {
        problems.add(Some(self.span.clone()), self.key.clone(), message);
    }
}

/// A table of which each key is taken once. What is left at the end is unknown.
#[derive(Debug)]
pub(crate) struct Section<'t, 'i> {
    /// The key of the table from the root of the file; empty for the root.
    path: String,
    span: Range<usize>,
    table: &'t DeTable<'i>,
    taken: Vec<&'static str>,
}

impl<'t, 'i> Section<'t, 'i> {
    pub(crate) fn new(path: String, span: Range<usize>, table: &'t DeTable<'i>) -> Self {
        Self { path, span, table, taken: Vec::new() }
    }

    /// The key `name` of this table, from the root of the file.
    pub(crate) fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Records a problem with the table as a whole.
    pub(crate) fn problem(&self, problems: &mut Problems<'_>, message: impl Into<String>) {
        let span = (!self.path.is_empty()).then(|| self.span.clone());
        problems.add(span, self.path.clone(), message);
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    pub(crate) fn value(
        &mut self,
        name: &'static str,
    ) -> Option<Located<&'t Spanned<DeValue<'i>>>> {
        self.taken.push(name);
        let value = self.table.get(name)?;
        Some(Located { value, span: value.span(), key: self.key(name) })
    }

    pub(crate) fn string(
        &mut self,
        problems: &mut Problems<'_>,
        name: &'static str,
    ) -> Option<Located<&'t str>> {
        let found = self.value(name)?;
        match found.value.get_ref() {
            DeValue::String(text) => Some(found.map(|_| &**text)),
            _ => {
                found.problem(problems, "this is a text: put it between quotes");
                None
            }
        }
    }

    pub(crate) fn boolean(
        &mut self,
        problems: &mut Problems<'_>,
        name: &'static str,
    ) -> Option<bool> {
        let found = self.value(name)?;
        match found.value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => {
                found.problem(problems, "write `true` or `false`");
                None
            }
        }
    }

    pub(crate) fn count(
        &mut self,
        problems: &mut Problems<'_>,
        name: &'static str,
    ) -> Option<Located<usize>> {
        let found = self.value(name)?;
        let count = match found.value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            _ => None,
        };
        if count.is_none() {
            found.problem(
                problems,
                "this is a whole number that is not negative: write `40` or the like",
            );
        }
        count.map(|count| found.map(|_| count))
    }

    /// A text that has to be there.
    pub(crate) fn required(
        &mut self,
        problems: &mut Problems<'_>,
        name: &'static str,
        example: &str,
    ) -> Option<Located<&'t str>> {
        if !self.has(name) {
            self.taken.push(name);
            let span = (!self.path.is_empty()).then(|| self.span.clone());
            problems.add(span, self.key(name), format!("missing: write `{name} = {example}`"));
            return None;
        }
        self.string(problems, name)
    }

    pub(crate) fn strings(
        &mut self,
        problems: &mut Problems<'_>,
        name: &'static str,
    ) -> Option<Vec<Located<&'t str>>> {
        texts(&self.value(name)?, problems)
    }

    pub(crate) fn table(
        &mut self,
        problems: &mut Problems<'_>,
        name: &'static str,
    ) -> Option<Section<'t, 'i>> {
        let found = self.value(name)?;
        let section = section(&found);
        if section.is_none() {
            found.problem(problems, format!("this is a table: write `[{}]`", found.key));
        }
        section
    }

    /// The tables of a table, `[name.KEY]`, in the order of the file.
    pub(crate) fn tables(
        &mut self,
        problems: &mut Problems<'_>,
        name: &'static str,
    ) -> Vec<(Located<&'t str>, Section<'t, 'i>)> {
        let Some(outer) = self.table(problems, name) else { return Vec::new() };
        let mut tables = Vec::new();
        for entry in outer.entries() {
            let value = entry.1;
            match section(&value) {
                Some(section) => tables.push((entry.0, section)),
                None => {
                    value.problem(problems, format!("this is a table: write `[{}]`", value.key))
                }
            }
        }
        tables
    }

    /// All keys with their values, in the order of the file.
    pub(crate) fn entries(&self) -> Vec<(Located<&'t str>, Located<&'t Spanned<DeValue<'i>>>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(name, value)| {
                let key = self.key(name.get_ref());
                let name =
                    Located { value: &**name.get_ref(), span: name.span(), key: key.clone() };
                (name, Located { value, span: value.span(), key })
            })
            .collect();
        entries.sort_by_key(|(name, _)| name.span.start);
        entries
    }

    /// The tables of a list of tables, `[[name]]`.
    pub(crate) fn list_of_tables(
        &mut self,
        problems: &mut Problems<'_>,
        name: &'static str,
    ) -> Vec<Section<'t, 'i>> {
        let Some(found) = self.value(name) else { return Vec::new() };
        let DeValue::Array(items) = found.value.get_ref() else {
            found.problem(problems, format!("this is a list of tables: write `[[{}]]`", found.key));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let key = format!("{}[{index}]", found.key);
            let item = Located { value: item, span: item.span(), key };
            match section(&item) {
                Some(section) => sections.push(section),
                None => {
                    item.problem(problems, format!("this is a table: write `[[{}]]`", found.key))
                }
            }
        }
        sections
    }

    /// Records what is left as unknown.
    pub(crate) fn finish(&self, problems: &mut Problems<'_>) {
        for (name, _) in self.entries() {
            if !self.taken.contains(&name.value) {
                let known = self.taken.join("`, `");
                name.problem(problems, format!("unknown key: there are `{known}`"));
            }
        }
    }
}

fn section<'t, 'i>(found: &Located<&'t Spanned<DeValue<'i>>>) -> Option<Section<'t, 'i>> {
    match found.value.get_ref() {
        DeValue::Table(table) => Some(Section::new(found.key.clone(), found.span.clone(), table)),
        _ => None,
    }
}

/// A list of texts.
pub(crate) fn texts<'t>(
    found: &Located<&'t Spanned<DeValue<'_>>>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Located<&'t str>>> {
    let DeValue::Array(items) = found.value.get_ref() else {
        found.problem(problems, "this is a list of texts: write `[\"…\"]`");
        return None;
    };
    let mut texts = Vec::new();
    for item in items.iter() {
        let located = Located { value: (), span: item.span(), key: found.key.clone() };
        match item.get_ref() {
            DeValue::String(text) => texts.push(located.map(|()| &**text)),
            _ => located.problem(problems, "each item is a text: put it between quotes"),
        }
    }
    Some(texts)
}
