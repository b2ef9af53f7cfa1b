//! The public set of templates and its builder.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;

use super::error::{CompileError, CompileErrors, Problem};
use super::plan::{Body, Fallback, Header, Insert, Part, Source};
use super::resolve::Resolver;
use super::{CompileErrorKind as Kind, header_name};
use crate::name::{is_name_byte, is_name_start};
use crate::template::Segment;
use crate::{ClaimPath, Template, Variable};

/// All headers of one tenant, compiled.
///
/// Immutable and cheap to share in an `Arc`. `Debug` shows names only.
pub struct Templates {
    /// In the order in which `prototype` yields its names, which is the order of declaration.
    pub(crate) headers: Box<[Header]>,
    /// All names with empty values. Rendering clones it and fills the values in, so that no name is hashed.
    pub(crate) prototype: HeaderMap,
    variables: Vec<Variable>,
}

impl Templates {
    /// The most headers in one set.
    pub const MAX_HEADERS: usize = 64;

    /// The most placeholders in one header.
    pub const MAX_INSERTS: usize = 16;

    /// The longest header value that is sent, in bytes. Common servers take 8 to 16 KiB for all headers together.
    pub const MAX_VALUE_LEN: usize = 64 * 1024;

    /// Starts an empty set.
    pub fn builder() -> TemplatesBuilder {
        TemplatesBuilder { variables: Vec::new(), headers: Vec::new(), env: Vec::new() }
    }

    /// The declared variables, in the order of declaration.
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The declared variables without which [`Self::render`] refuses: required, without a default, and used by a
    /// placeholder that has no fallback either.
    pub fn needed_variables(&self) -> impl Iterator<Item = &Variable> {
        let used = self.declared(|insert| matches!(insert.fallback, Fallback::Refuse));
        self.variables.iter().enumerate().filter_map(move |(index, variable)| {
            let needed = variable.is_required() && variable.default_value().is_none();
            (needed && used.contains(&index)).then_some(variable)
        })
    }

    /// The declared variables that no template uses: probably a mistake, worth a warning.
    pub fn unused_variables(&self) -> impl Iterator<Item = &Variable> {
        let used = self.declared(|_| true);
        let unused = move |(index, variable)| (!used.contains(&index)).then_some(variable);
        self.variables.iter().enumerate().filter_map(unused)
    }

    /// The headers that are set, in the order of declaration; for removing what a client sent under these names.
    pub fn header_names(&self) -> impl ExactSizeIterator<Item = &HeaderName> {
        self.headers.iter().map(|header| &header.name)
    }

    /// The claims that templates use, each once.
    pub fn claims(&self) -> impl Iterator<Item = &ClaimPath> {
        let paths = self.sources(|_| true).filter_map(|source| match source {
            Source::Claim(path) => Some(path),
            _ => None,
        });
        paths.collect::<BTreeSet<_>>().into_iter()
    }

    /// The values of the environment that templates use, each as often as it is used: secrets that are the same for everybody.
    pub fn env_values(&self) -> impl Iterator<Item = &SecretString> {
        self.sources(|_| true).filter_map(|source| match source {
            Source::Env(value) => Some(value),
            _ => None,
        })
    }

    fn declared(&self, filter: impl Fn(&Insert) -> bool) -> BTreeSet<usize> {
        let index = |source: &Source| match source {
            Source::Declared { index, .. } => Some(*index),
            _ => None,
        };
        self.sources(filter).filter_map(index).collect()
    }

    fn sources(&self, filter: impl Fn(&Insert) -> bool) -> impl Iterator<Item = &Source> {
        let inserts = self.headers.iter().flat_map(|header| header.body.inserts());
        inserts
            .filter(move |insert| filter(insert))
            .flat_map(|insert| insert.shape.inputs().map(|input| &input.source))
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.header_names().collect();
        let variables: Vec<_> = self.variables.iter().map(Variable::name).collect();
        f.debug_struct("Templates")
            .field("headers", &headers)
            .field("variables", &variables)
            .finish()
    }
}

/// Collects variables and headers; [`Self::build`] checks all of them at once.
#[must_use]
pub struct TemplatesBuilder {
    variables: Vec<Variable>,
    headers: Vec<(String, String)>,
    env: Vec<(String, SecretString)>,
}

impl TemplatesBuilder {
    /// Declares a variable that users fill in. Its position is its index in [`Variables`](crate::Variables).
    pub fn with_variable(mut self, variable: Variable) -> Self {
        self.variables.push(variable);
        self
    }

    /// Adds a header and the template of its value.
    pub fn with_header(mut self, name: &str, template: &str) -> Self {
        self.headers.push((name.to_owned(), template.to_owned()));
        self
    }

    /// Allows `env.<NAME>`, with the value that it has. The environment itself is never read.
    ///
    /// # Security
    ///
    /// The value is treated as a secret. Whoever writes templates can send it to the backend, so allow what is
    /// meant for that backend and nothing else.
    pub fn with_env(mut self, name: &str, value: SecretString) -> Self {
        self.env.push((name.to_owned(), value));
        self
    }

    /// Checks and compiles everything.
    ///
    /// # Errors
    ///
    /// All problems of all headers and variables, each with its place.
    pub fn build(self) -> Result<Templates, CompileErrors> {
        let mut errors = self.check_variables();
        errors.extend(self.check_env());
        let resolver = Resolver::new(&self.variables, &self.env);
        let mut headers = Vec::with_capacity(self.headers.len());
        let mut names = BTreeMap::new();
        for (name, template) in &self.headers {
            let other = names.insert(header_name::canonical(name), name);
            let duplicate = other.map(|other| Kind::DuplicateHeader { other: other.clone() });
            let (body, problems) = compile(&resolver, name, template);
            match header_name::check(name) {
                Ok(header) => headers.push(assemble(header, body)),
                Err(kind) => errors.push(CompileError::of_header(kind, name)),
            }
            errors.extend(duplicate.map(|kind| CompileError::of_header(kind, name)));
            errors.extend(problems.into_iter().map(|problem| problem.of_header(name, template)));
        }
        if headers.len() > Templates::MAX_HEADERS {
            errors.push(CompileError::of_builder(Kind::TooManyHeaders));
        }
        CompileErrors::unless_empty(errors)?;
        let prototype: HeaderMap = headers
            .iter()
            .map(|header: &Header| (header.name.clone(), HeaderValue::from_static("")))
            .collect();
        let place = |header: &Header| prototype.keys().position(|name| *name == header.name);
        headers.sort_by_key(place);
        Ok(Templates { headers: headers.into(), prototype, variables: self.variables })
    }

    fn check_variables(&self) -> Vec<CompileError> {
        let mut seen = BTreeSet::new();
        let twice = self.variables.iter().filter(|variable| !seen.insert(variable.name()));
        let kind = |variable: &Variable| Kind::DuplicateVariable { name: variable.name().clone() };
        twice.map(|variable| CompileError::of_builder(kind(variable))).collect()
    }

    fn check_env(&self) -> Vec<CompileError> {
        let mut seen = BTreeSet::new();
        let problem = |name: &String| {
            let mut bytes = name.bytes();
            if !bytes.next().is_some_and(is_name_start) || !bytes.all(is_name_byte) {
                return Some(Kind::InvalidEnvName { name: name.clone() });
            }
            (!seen.insert(name.clone())).then(|| Kind::DuplicateEnv { name: name.clone() })
        };
        self.env
            .iter()
            .map(|(name, _)| name)
            .filter_map(problem)
            .map(CompileError::of_builder)
            .collect()
    }
}

impl fmt::Debug for TemplatesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        let variables: Vec<_> = self.variables.iter().map(Variable::name).collect();
        let env: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("TemplatesBuilder")
            .field("headers", &headers)
            .field("variables", &variables)
            .field("env", &env)
            .finish()
    }
}

fn compile(resolver: &Resolver<'_>, name: &str, text: &str) -> (Vec<Part>, Vec<Problem>) {
    let (template, mut problems) = Template::parse_problems(text);
    let canonical = header_name::canonical(name);
    let mut parts = Vec::with_capacity(template.segments.len());
    for segment in template.segments {
        match segment {
            Segment::Literal(text, _) => parts.push(Part::Literal(text.into())),
            Segment::Insert(insert) => match resolver.insert(&insert, &canonical) {
                Ok(insert) => parts.push(Part::Insert(insert)),
                Err(found) => problems.extend(found),
            },
        }
    }
    if parts.iter().filter(|part| matches!(part, Part::Insert(_))).count() > Templates::MAX_INSERTS
    {
        problems.push(Problem::new(Kind::TooManyPlaceholders, 0..text.len()));
    }
    problems.sort_by_key(Problem::start);
    (parts, problems)
}

fn assemble(name: HeaderName, parts: Vec<Part>) -> Header {
    let canonical = header_name::canonical(name.as_str());
    let secret = |part: &Part| match part {
        Part::Insert(insert) => insert.shape.inputs().any(|input| input.secret),
        Part::Literal(_) => false,
    };
    let sensitive = parts.iter().any(secret) || header_name::carries_credentials(&canonical);
    Header { name, canonical: canonical.into(), sensitive, body: body(parts, sensitive) }
}

/// A header that says the same for everybody becomes a value once and is shared from then on.
fn body(parts: Vec<Part>, sensitive: bool) -> Body {
    if let [Part::Literal(text)] = parts.as_slice()
        && let Ok(mut value) = HeaderValue::from_str(text)
    {
        value.set_sensitive(sensitive);
        return Body::Constant(value);
    }
    let literal = |part: &Part| match part {
        Part::Literal(text) => text.len(),
        Part::Insert(_) => 0,
    };
    let literals = parts.iter().map(literal).sum();
    let inserts = parts.iter().filter(|part| matches!(part, Part::Insert(_))).count();
    Body::Composed { parts: parts.into(), literals, inserts }
}
