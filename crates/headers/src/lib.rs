//! Header templates that carry each user's own credentials, compiled once and rendered in one pass.

mod compile;
mod name;
mod render;
mod suggest;
mod template;
mod value;
mod values;
mod variable;

pub use compile::{CompileError, CompileErrorKind, CompileErrors, Templates, TemplatesBuilder};
pub use name::{Builtin, ClaimPath, Name, VariableName, VariableNameError};
pub use render::{HeaderProblem, Missing, RenderError, ValueProblem};
pub use template::Template;
pub use value::{Items, Value, Variables};
pub use values::Values;
pub use variable::{Declaration, DeclareError, ValueError, Variable, VariableBuilder};
