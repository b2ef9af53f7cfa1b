//! What the placeholders of other products come to.

pub(super) enum Outcome {
    /// Our placeholder.
    Is(&'static str),
    /// There is none, and why.
    Nothing(&'static str),
}

use Outcome::{Is, Nothing};

const CONVERSATION: &str = "it is about the conversation and not about the verified user";
const DATABASE: &str = "it comes from that product's own database, use a claim or a variable";
const TOKEN: &str =
    "the caller's token never goes to a backend, let users enter a credential for it";
pub(super) const UNKNOWN: &str =
    "that product does not know it either and would send it as it stands";
pub(super) const BAD_NAME: &str =
    "use a name of letters, digits and `_` that is not built in, like `MY_KEY`";

pub(super) const OPEN_WEBUI: &[(&str, Outcome)] = &[
    ("USER_ID", Is("${user.subject}")),
    ("USER_NAME", Is("${name}")),
    ("USER_EMAIL", Is("${email}")),
    ("USER_ROLE", Is("${claims.role}")),
    ("USER_GROUPS", Is("${join(groups, \",\")}")),
    ("USER_GROUP_IDS", Nothing(DATABASE)),
    ("CHAT_ID", Nothing(CONVERSATION)),
    ("MESSAGE_ID", Nothing(CONVERSATION)),
    ("USER_MESSAGE_ID", Nothing(CONVERSATION)),
    ("USER_MESSAGE_PARENT_ID", Nothing(CONVERSATION)),
    ("FILE_ID", Nothing(CONVERSATION)),
    ("FILE_NAME", Nothing(CONVERSATION)),
    ("FILE_CONTENT_TYPE", Nothing(CONVERSATION)),
    ("TASK", Nothing(CONVERSATION)),
    ("USER_AGENT", Nothing(CONVERSATION)),
];

pub(super) const LIBRECHAT: &[(&str, Outcome)] = &[
    ("LIBRECHAT_USER_ID", Is("${user.id}")),
    ("LIBRECHAT_USER_NAME", Is("${name}")),
    ("LIBRECHAT_USER_USERNAME", Is("${username}")),
    ("LIBRECHAT_USER_EMAIL", Is("${email}")),
    ("LIBRECHAT_USER_OPENIDID", Is("${user.subject}")),
    ("LIBRECHAT_USER_EMAILVERIFIED", Is("${claims.email_verified}")),
    ("LIBRECHAT_USER_PROVIDER", Nothing(DATABASE)),
    ("LIBRECHAT_USER_ROLE", Nothing(DATABASE)),
    ("LIBRECHAT_USER_GOOGLEID", Nothing(DATABASE)),
    ("LIBRECHAT_USER_FACEBOOKID", Nothing(DATABASE)),
    ("LIBRECHAT_USER_SAMLID", Nothing(DATABASE)),
    ("LIBRECHAT_USER_LDAPID", Nothing(DATABASE)),
    ("LIBRECHAT_USER_GITHUBID", Nothing(DATABASE)),
    ("LIBRECHAT_USER_DISCORDID", Nothing(DATABASE)),
    ("LIBRECHAT_USER_APPLEID", Nothing(DATABASE)),
    ("LIBRECHAT_USER_TWOFACTORENABLED", Nothing(DATABASE)),
    ("LIBRECHAT_USER_TERMSACCEPTED", Nothing(DATABASE)),
    ("LIBRECHAT_OPENID_USER_ID", Is("${user.subject}")),
    ("LIBRECHAT_OPENID_USER_EMAIL", Is("${email}")),
    ("LIBRECHAT_OPENID_USER_NAME", Is("${name}")),
    ("LIBRECHAT_OPENID_EXPIRES_AT", Is("${claims.exp}")),
    ("LIBRECHAT_OPENID_TOKEN", Nothing(TOKEN)),
    ("LIBRECHAT_OPENID_ACCESS_TOKEN", Nothing(TOKEN)),
    ("LIBRECHAT_OPENID_ID_TOKEN", Nothing(TOKEN)),
    ("LIBRECHAT_GRAPH_ACCESS_TOKEN", Nothing(TOKEN)),
    ("LIBRECHAT_BODY_CONVERSATIONID", Nothing(CONVERSATION)),
    ("LIBRECHAT_BODY_PARENTMESSAGEID", Nothing(CONVERSATION)),
    ("LIBRECHAT_BODY_MESSAGEID", Nothing(CONVERSATION)),
];

pub(super) const ONYX: &[(&str, Outcome)] = &[("user_email", Is("${email}"))];
