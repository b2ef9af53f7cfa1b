//! Where others decide otherwise, and why we do not.

/// Tokens about which somebody disagrees with us.
pub(crate) struct Difference {
    /// How their names begin.
    pub(crate) tokens: &'static str,
    ours: bool,
    envoy: bool,
    jose: bool,
    pub(crate) why: &'static str,
}

impl Difference {
    pub(crate) fn expected(&self) -> (bool, bool, bool) {
        (self.ours, self.envoy, self.jose)
    }
}

pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        tokens: "text/loose-bits ES384",
        ours: false,
        envoy: false,
        jose: false,
        why: "96 bytes fill their last character: another signature, and nobody disagrees",
    },
    Difference {
        tokens: "text/loose-bits",
        ours: false,
        envoy: true,
        jose: true,
        why: "RFC 4648, section 3.5: with loose bits one token has many spellings, and a cache or a list of revoked tokens sees several",
    },
    Difference {
        tokens: "exp/far",
        ours: false,
        envoy: true,
        jose: true,
        why: "no date after the year 9999: such a token is a mistake, and never ends",
    },
    Difference { tokens: "exp/huge", ours: false, envoy: false, jose: true, why: "the same" },
    Difference {
        tokens: "iat/future",
        ours: false,
        envoy: true,
        jose: true,
        why: "a token from the future: a clock is wrong, and `exp` cannot be trusted",
    },
    Difference {
        tokens: "aud/slash",
        ours: false,
        envoy: true,
        jose: false,
        why: "RFC 7519, section 4.1.3: audiences are compared as strings; Envoy cuts a slash off",
    },
    Difference {
        tokens: "aud/mixed",
        ours: false,
        envoy: false,
        jose: true,
        why: "RFC 7519, section 4.1.3: each value is a string",
    },
    Difference {
        tokens: "sub/missing",
        ours: false,
        envoy: true,
        jose: false,
        why: "without a subject there is no user; Envoy leaves that to others",
    },
    Difference {
        tokens: "sub/number",
        ours: false,
        envoy: false,
        jose: true,
        why: "RFC 7519, section 4.1.2: a string",
    },
    Difference { tokens: "sub/empty", ours: false, envoy: true, jose: true, why: "nobody's name" },
    Difference {
        tokens: "cnf",
        ours: false,
        envoy: true,
        jose: true,
        why: "RFC 7800: bound to a key that nobody here checks",
    },
    Difference {
        tokens: "kind/events",
        ours: false,
        envoy: true,
        jose: true,
        why: "RFC 8417: a security event or a logout token",
    },
    Difference {
        tokens: "kind/at_hash",
        ours: false,
        envoy: true,
        jose: true,
        why: "OpenID Connect Core, section 3.1.3.6: an ID token, where an access token is wanted",
    },
    Difference {
        tokens: "kind/token_use",
        ours: false,
        envoy: true,
        jose: true,
        why: "the same, as Amazon Cognito says it",
    },
    Difference {
        tokens: "header/typ",
        ours: false,
        envoy: true,
        jose: true,
        why: "RFC 8725, section 3.11: another kind of token; `jose` checks it when told to",
    },
    Difference {
        tokens: "header/crit",
        ours: false,
        envoy: true,
        jose: false,
        why: "RFC 7515, section 4.1.11: what is critical and not understood must be refused; Envoy does not look",
    },
    Difference {
        tokens: "header/b64",
        ours: false,
        envoy: true,
        jose: false,
        why: "the same, for RFC 7797",
    },
    Difference {
        tokens: "header/jku",
        ours: false,
        envoy: true,
        jose: true,
        why: "the others ignore it; a sender who brings a key has nothing good in mind",
    },
    Difference { tokens: "header/jwk", ours: false, envoy: true, jose: true, why: "the same" },
    Difference {
        tokens: "twice/header",
        ours: false,
        envoy: false,
        jose: true,
        why: "RFC 7515, section 4: names are unique, or the parser must take the last; we and Envoy refuse",
    },
    Difference {
        tokens: "twice/payload",
        ours: false,
        envoy: false,
        jose: true,
        why: "the same, RFC 7519, section 4",
    },
];
