//! From a name in a template to where its value comes from.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::plan::{Fallback, Input, Insert, Operand, Shape, Source};
use super::{CompileErrorKind as Kind, Problem, header_name};
use crate::render::{check_coded, check_secret_text};
use crate::suggest::suggest;
use crate::template::{self, Argument, Expression, Reference};
use crate::{Builtin, ClaimPath, Name, ValueProblem, Variable};

pub(super) struct Resolver<'a> {
    variables: BTreeMap<&'a str, (usize, &'a Variable)>,
    env: BTreeMap<&'a str, &'a SecretString>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(variables: &'a [Variable], env: &'a [(String, SecretString)]) -> Self {
        let named = |(index, variable): (usize, &'a Variable)| {
            (variable.name().as_str(), (index, variable))
        };
        Self {
            variables: variables.iter().enumerate().map(named).collect(),
            env: env.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        }
    }

    /// Everything that is wrong with the placeholder, or the placeholder bound to its sources.
    pub(super) fn insert(
        &self,
        insert: &template::Insert,
        header: &str,
    ) -> Result<Insert, Vec<Problem>> {
        let shape = self.shape(&insert.expression)?;
        let misplaced = shape.inputs().find(|input| input.secret);
        if let Some(input) = misplaced.filter(|_| header_name::is_logged(header)) {
            let kind = Kind::SecretInLoggedHeader { name: input.name.to_string() };
            return Err(vec![Problem::new(kind, insert.span.0.clone())]);
        }
        let fallback = match &insert.fallback {
            template::Fallback::Refuse => Fallback::Refuse,
            template::Fallback::Omit => Fallback::Omit,
            template::Fallback::Text(text, _) => Fallback::Text(text.as_str().into()),
        };
        Ok(Insert { shape, fallback })
    }

    fn shape(&self, expression: &Expression) -> Result<Shape, Vec<Problem>> {
        let one = |problem: Problem| vec![problem];
        match expression {
            Expression::Value(reference) => {
                self.text(reference, check_secret_text).map(Shape::Text).map_err(one)
            }
            Expression::Base64(reference) => {
                self.text(reference, check_coded).map(Shape::Base64).map_err(one)
            }
            Expression::Json(reference) => {
                let input = self.input(reference).map_err(one)?;
                check_env(&input, reference, check_secret_text).map_err(one)?;
                Ok(Shape::Json(input))
            }
            Expression::Join(reference, separator, span) => {
                let list = self.list(reference);
                let separable = if is_unambiguous(separator) {
                    Ok(separator.as_str().into())
                } else {
                    Err(Problem::new(Kind::AmbiguousSeparator, span.0.clone()))
                };
                both(list, separable).map(|(list, separator)| Shape::Join(list, separator))
            }
            Expression::Basic(user, password) => {
                both(self.user(user), self.operand(password, check_coded))
                    .map(|(user, password)| Shape::Basic(user, password))
            }
        }
    }

    fn user(&self, argument: &Argument) -> Result<Operand, Problem> {
        match argument {
            Argument::Text(text, span) if text.contains(':') => {
                Err(Problem::new(Kind::ColonInUserId, span.0.clone()))
            }
            _ => self.operand(argument, check_user),
        }
    }

    fn operand(&self, argument: &Argument, check: Check) -> Result<Operand, Problem> {
        match argument {
            Argument::Text(text, _) => Ok(Operand::Literal(text.as_str().into())),
            Argument::Reference(reference) => self.text(reference, check).map(Operand::Input),
        }
    }

    fn text(&self, reference: &Reference, check: Check) -> Result<Input, Problem> {
        let input = self.input(reference)?;
        if let Source::Builtin(name) = input.source
            && name.is_list()
        {
            return Err(Problem::new(Kind::ListNeedsFunction { name }, reference.span.0.clone()));
        }
        check_env(&input, reference, check)?;
        Ok(input)
    }

    fn list(&self, reference: &Reference) -> Result<Input, Problem> {
        let input = self.input(reference)?;
        let listed = match input.source {
            Source::Builtin(name) => name.is_list(),
            Source::Claim(_) => true,
            Source::Declared { .. } | Source::Env(_) => false,
        };
        if listed {
            return Ok(input);
        }
        let name = input.name.to_string();
        Err(Problem::new(Kind::NotAList { name }, reference.span.0.clone()))
    }

    fn input(&self, reference: &Reference) -> Result<Input, Problem> {
        let segments: Vec<&str> = reference.segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["claims", path @ ..] if !path.is_empty() => {
                Ok(claim(ClaimPath::new(path.iter().map(ToString::to_string))))
            }
            ["env", name] => self.env(name, reference),
            [name] if self.variables.contains_key(name) => self.declared(name, reference),
            _ => match Builtin::find(&segments.join(".")) {
                Some(found) => Ok(builtin(found)),
                None => Err(self.unknown(reference)),
            },
        }
    }

    fn declared(&self, name: &str, reference: &Reference) -> Result<Input, Problem> {
        let Some((index, variable)) = self.variables.get(name) else {
            return Err(self.unknown(reference));
        };
        Ok(Input {
            name: Name::Declared(variable.name().clone()),
            source: Source::Declared {
                index: *index,
                default: variable.default_value().map(Box::from),
            },
            secret: variable.is_secret(),
            optional: !variable.is_required(),
        })
    }

    fn env(&self, name: &str, reference: &Reference) -> Result<Input, Problem> {
        let Some(value) = self.env.get(name) else {
            let kind = Kind::EnvNotAllowed { name: name.to_owned() };
            return Err(Problem::new(kind, reference.span.0.clone()));
        };
        Ok(Input {
            name: Name::Env(name.into()),
            source: Source::Env((*value).clone()),
            secret: true,
            optional: false,
        })
    }

    fn unknown(&self, reference: &Reference) -> Problem {
        let name = reference.to_string();
        let builtins = Builtin::ALL.iter().map(|builtin| builtin.as_str());
        let declared = self.variables.keys().map(|name| &**name);
        let suggestion = suggest(&name, builtins.chain(declared));
        Problem::new(Kind::UnknownName { name, suggestion }, reference.span.0.clone())
    }
}

/// What a value from the environment has to satisfy where it is used.
type Check = fn(&str) -> Result<(), ValueProblem>;

/// The environment does not change, so its values are checked now and not at each request.
fn check_env(input: &Input, reference: &Reference, check: Check) -> Result<(), Problem> {
    let (Source::Env(value), Name::Env(name)) = (&input.source, &input.name) else {
        return Ok(());
    };
    let value = value.expose_secret();
    let checked = if value.trim().is_empty() { Err(ValueProblem::Empty) } else { check(value) };
    checked.map_err(|problem| {
        let kind = Kind::EnvUnusable { name: name.to_string(), problem };
        Problem::new(kind, reference.span.0.clone())
    })
}

fn check_user(value: &str) -> Result<(), ValueProblem> {
    if value.contains(':') { Err(ValueProblem::ColonInUserId) } else { check_coded(value) }
}

fn builtin(name: Builtin) -> Input {
    Input {
        name: Name::Builtin(name),
        source: Source::Builtin(name),
        secret: false,
        optional: false,
    }
}

fn claim(path: ClaimPath) -> Input {
    let name = Name::Claim(path.clone());
    Input { name, source: Source::Claim(path), secret: false, optional: false }
}

fn both<A, B>(left: Result<A, Problem>, right: Result<B, Problem>) -> Result<(A, B), Vec<Problem>> {
    match (left, right) {
        (Ok(left), Ok(right)) => Ok((left, right)),
        (left, right) => Err(left.err().into_iter().chain(right.err()).collect()),
    }
}

/// A separator that does not end as it begins cannot overlap with the end of an item: `a;` and `b` joined by `;;`
/// would read as `a` and `;b`.
fn is_unambiguous(separator: &str) -> bool {
    let bytes = separator.as_bytes();
    let border = |len: usize| bytes.get(..len) == bytes.get(bytes.len() - len..);
    !bytes.is_empty() && !(1..bytes.len()).any(border)
}
