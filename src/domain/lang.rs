//! The languages that texts exist in.

/// The language of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Lang {
    /// English.
    #[default]
    En,
}

impl Lang {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::En];

    /// Reads a BCP 47 tag (`en`, `en-GB`, what Discord sends as `locale`); anything unknown reads as English.
    pub fn parse(tag: &str) -> Self {
        Self::known(tag).unwrap_or_default()
    }

    /// The language of a BCP 47 tag, if texts exist in it.
    pub fn known(tag: &str) -> Option<Self> {
        let language = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.iter().copied().find(|lang| lang.tag().eq_ignore_ascii_case(language))
    }

    /// The BCP 47 tag that the store keeps.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
        }
    }
}
