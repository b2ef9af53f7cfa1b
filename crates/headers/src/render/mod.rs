//! From values to headers, in one pass: what a value contains is never looked at again.

mod base64;
mod error;
mod json;
mod piece;
mod scan;

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, HeaderValue};

pub use error::{HeaderProblem, Missing, RenderError, ValueProblem};
use piece::Piece;
pub(crate) use scan::{check_coded, check_secret_text};

use crate::compile::{Body, Fallback, Header, Input, Insert, Operand, Part, Shape, canonical};
use crate::{Name, Templates, Value, Variables};

/// Pieces kept on the stack for the usual header; the larger of the two serves the rest.
const FEW: usize = 2;

impl Templates {
    /// Renders all headers.
    ///
    /// A header is left out if one of its placeholders says so (`${ROLE?}`) or uses a variable that is not required,
    /// and nothing is set for it. Values that hold anything secret are marked sensitive. Each header takes one
    /// allocation; a header without placeholders takes none.
    ///
    /// # Errors
    ///
    /// [`RenderError::Missing`] with every missing name of all headers; or else the first value that its header
    /// cannot carry. Nothing is rendered then.
    pub fn render(&self, variables: &dyn Variables) -> Result<HeaderMap, RenderError> {
        let mut rendered = self.prototype.clone();
        let mut left_out = 0_u64;
        for (index, (header, place)) in self.headers.iter().zip(rendered.values_mut()).enumerate() {
            match header.render(variables) {
                Ok(Some(value)) => *place = value,
                Ok(None) => left_out |= 1 << index,
                Err(failure) => return Err(self.diagnose(variables, &header.name, &failure)),
            }
        }
        if left_out != 0 {
            self.remove_marked(&mut rendered, left_out);
        }
        Ok(rendered)
    }

    fn remove_marked(&self, rendered: &mut HeaderMap, marks: u64) {
        for (index, header) in self.headers.iter().enumerate() {
            if marks >> index & 1 == 1 {
                rendered.remove(&header.name);
            }
        }
    }

    /// Renders all headers into a request, in place of what stood there.
    ///
    /// Whatever the request had under the names of these headers is removed, also under the other spelling
    /// (`X_User_Id` for `X-User-Id`) and also if the header is left out this time: a client cannot supply it.
    ///
    /// # Errors
    ///
    /// As [`Self::render`]; the request is unchanged then.
    pub fn render_into(
        &self,
        headers: &mut HeaderMap,
        variables: &dyn Variables,
    ) -> Result<(), RenderError> {
        let rendered = self.render(variables)?;
        self.remove_from(headers);
        headers.extend(rendered);
        Ok(())
    }

    /// Removes from a request whatever stands under the names of these headers, in either spelling.
    pub fn remove_from(&self, headers: &mut HeaderMap) {
        for header in &self.headers {
            headers.remove(&header.name);
        }
        let twins: Vec<HeaderName> =
            headers.keys().filter(|name| self.is_twin(name)).cloned().collect();
        for name in twins {
            headers.remove(name);
        }
    }

    fn is_twin(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        let spelled = |header: &Header| header.name.as_str().contains('_');
        if !name.contains('_') && !self.headers.iter().any(spelled) {
            return false;
        }
        let canonical = canonical(name);
        self.headers.iter().any(|header| *header.canonical == *canonical)
    }

    /// The slow way, once it is known that something is wrong: names everything that is missing.
    #[cold]
    fn diagnose(
        &self,
        variables: &dyn Variables,
        header: &HeaderName,
        failure: &Failure<'_>,
    ) -> RenderError {
        let mut seen = BTreeSet::new();
        let sent = self.headers.iter().filter(|header| !header.is_left_out(variables));
        let inserts = sent.flat_map(|header| header.body.inserts());
        let inputs = inserts.flat_map(|insert| insert.missing(variables));
        let missing: Vec<Name> =
            inputs.map(|input| &input.name).filter(|name| seen.insert(*name)).cloned().collect();
        if !missing.is_empty() {
            return RenderError::Missing(Missing::new(missing));
        }
        let header = header.clone();
        match failure {
            Failure::LeftOut => RenderError::Header { header, problem: HeaderProblem::Invalid },
            Failure::Missing(input) => RenderError::Missing(Missing::new(vec![input.name.clone()])),
            Failure::Value(input, problem) => {
                RenderError::Value { header, name: input.name.clone(), problem: *problem }
            }
            Failure::Header(problem) => RenderError::Header { header, problem: *problem },
        }
    }
}

/// One bit for each header.
const _: () = assert!(Templates::MAX_HEADERS <= u64::BITS as usize);

/// Why there is no value, borrowed: names are only copied once it is certain that they are reported.
enum Failure<'a> {
    LeftOut,
    Missing(&'a Input),
    Value(&'a Input, ValueProblem),
    Header(HeaderProblem),
}

impl Header {
    fn render<'a>(
        &'a self,
        variables: &'a dyn Variables,
    ) -> Result<Option<HeaderValue>, Failure<'a>> {
        match &self.body {
            Body::Constant(value) => Ok(Some(value.clone())),
            Body::Composed { parts, literals, inserts } if *inserts <= FEW => {
                self.compose::<FEW>(parts, *literals, variables)
            }
            Body::Composed { parts, literals, .. } => {
                self.compose::<{ Templates::MAX_INSERTS }>(parts, *literals, variables)
            }
        }
    }

    /// Resolves and checks every placeholder first, so that the length is known and writing cannot fail.
    fn compose<'a, const N: usize>(
        &'a self,
        parts: &'a [Part],
        literals: usize,
        variables: &'a dyn Variables,
    ) -> Result<Option<HeaderValue>, Failure<'a>> {
        let mut pieces = [Piece::Raw(""); N];
        let mut slots = pieces.iter_mut();
        let mut failed = None;
        let mut length = literals;
        for part in parts {
            let Part::Insert(insert) = part else { continue };
            match insert.piece(variables) {
                Ok(piece) => {
                    length += piece.len();
                    if let Some(slot) = slots.next() {
                        *slot = piece;
                    }
                }
                Err(Failure::LeftOut) => return Ok(None),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        if let Some(failure) = failed {
            return Err(failure);
        }
        self.write(parts, &pieces, length).map(Some).map_err(Failure::Header)
    }

    fn write(
        &self,
        parts: &[Part],
        pieces: &[Piece<'_>],
        length: usize,
    ) -> Result<HeaderValue, HeaderProblem> {
        if length > Templates::MAX_VALUE_LEN {
            return Err(HeaderProblem::TooLong);
        }
        let mut buffer = Vec::with_capacity(length);
        let mut next = pieces.iter();
        for part in parts {
            match part {
                Part::Literal(text) => buffer.extend_from_slice(text.as_bytes()),
                Part::Insert(_) => {
                    if let Some(piece) = next.next() {
                        piece.write(&mut buffer);
                    }
                }
            }
        }
        debug_assert_eq!(buffer.len(), length);
        if is_composite(parts, pieces) && scan::is_encoded(&buffer) {
            return Err(HeaderProblem::LooksEncoded);
        }
        let mut value = HeaderValue::try_from(buffer).map_err(|_| HeaderProblem::Invalid)?;
        value.set_sensitive(self.sensitive);
        Ok(value)
    }

    fn is_left_out(&self, variables: &dyn Variables) -> bool {
        self.body.inserts().any(|insert| matches!(insert.piece(variables), Err(Failure::LeftOut)))
    }
}

impl Insert {
    #[inline]
    fn piece<'a>(&'a self, variables: &'a dyn Variables) -> Result<Piece<'a>, Failure<'a>> {
        match (self.shape.piece(variables), &self.fallback) {
            (Err(Failure::Missing(_)), Fallback::Text(text)) => Ok(Piece::Raw(text)),
            (Err(Failure::Missing(_)), Fallback::Omit) => Err(Failure::LeftOut),
            (Err(Failure::Missing(input)), Fallback::Refuse) if input.optional => {
                Err(Failure::LeftOut)
            }
            (outcome, _) => outcome,
        }
    }

    /// Every input without which this placeholder is refused.
    fn missing<'a>(&'a self, variables: &'a dyn Variables) -> Vec<&'a Input> {
        match (self.piece(variables), &self.shape) {
            (Err(Failure::Missing(_)), Shape::Basic(user, password)) => [user, password]
                .into_iter()
                .filter_map(|operand| match operand {
                    Operand::Input(input) => Some(input),
                    Operand::Literal(_) => None,
                })
                .filter(|input| matches!(input.value(variables), Value::Missing))
                .collect(),
            (Err(Failure::Missing(input)), _) => vec![input],
            _ => Vec::new(),
        }
    }
}

/// Whether texts stand side by side that were looked at one by one, and together could look encoded.
fn is_composite(parts: &[Part], pieces: &[Piece<'_>]) -> bool {
    match (parts, pieces) {
        ([_], [piece, ..]) => matches!(piece, Piece::Join { encoded: false, .. }),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
