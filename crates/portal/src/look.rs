//! What an embedding program changes about the pages.

use std::sync::Arc;

use crate::Texts;

const STYLE: &str = include_str!("../templates/style.css");

/// What the pages look like: name, header, footer, style sheet and texts.
///
/// ```
/// use bonafide_portal::{Look, Texts};
///
/// let look = Look::default()
///     .with_name("Example Corp")
///     .with_footer_html("<p><a href=\"https://help.example.com/\">Help</a></p>")
///     .with_extra_style(":root { --accent: #7a1fa2; }");
/// # let _ = look;
/// ```
///
/// # Security
///
/// HTML and CSS given here are put into the pages as they are: write them, do not read them from elsewhere. The pages'
/// Content Security Policy holds for them too: no script, no inline style, images from this host only.
#[derive(Debug, Clone, Default)]
pub struct Look {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) header: Option<Arc<str>>,
    pub(crate) footer: Option<Arc<str>>,
    style: Option<Arc<str>>,
    extra: Arc<str>,
    pub(crate) texts: Arc<Texts>,
}

impl Look {
    /// The name at the top of each page. Default: the host of the public URL.
    #[must_use]
    pub fn with_name(self, name: &str) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// HTML in the place of the name at the top.
    #[must_use]
    pub fn with_header_html(self, html: &str) -> Self {
        Self { header: Some(html.into()), ..self }
    }

    /// HTML at the bottom of each page.
    #[must_use]
    pub fn with_footer_html(self, html: &str) -> Self {
        Self { footer: Some(html.into()), ..self }
    }

    /// A style sheet instead of the one that comes with the pages.
    #[must_use]
    pub fn with_style(self, css: &str) -> Self {
        Self { style: Some(css.into()), ..self }
    }

    /// CSS after the style sheet: enough to change colours.
    #[must_use]
    pub fn with_extra_style(self, css: &str) -> Self {
        Self { extra: css.into(), ..self }
    }

    /// All sentences.
    #[must_use]
    pub fn with_texts(self, texts: Texts) -> Self {
        Self { texts: Arc::new(texts), ..self }
    }

    /// The whole style sheet.
    pub(crate) fn css(&self) -> String {
        format!("{}\n{}", self.style.as_deref().unwrap_or(STYLE), self.extra)
    }
}
