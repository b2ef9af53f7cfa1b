//! Every sentence of the pages, in one place.

use std::borrow::Cow;

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $english:literal;)+) => {
        /// Every sentence of the pages, to be replaced one by one or all at once.
        ///
        /// Words in braces, such as `{tenant}`, are replaced by what they name; a translation puts them where it needs
        /// them. Everything is text: markup in it is shown and not obeyed.
        ///
        /// ```
        /// use bonafide_portal::Texts;
        ///
        /// let mut texts = Texts::english();
        /// texts.lang = "de".into();
        /// texts.sign_in = "Anmelden".into();
        /// ```
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Texts {
            $($(#[$doc])* pub $name: Cow<'static, str>,)+
        }

        impl Texts {
            /// English.
            #[must_use]
            pub fn english() -> Self {
                Self { $($name: Cow::Borrowed($english),)+ }
            }
        }
    };
}

texts! {
    /// The language of these texts, as HTML's `lang` has it.
    lang = "en";
    /// The first link of each page, for those who do not want to tab through the header.
    skip = "Skip to the content";
    /// What the pages are called.
    connections = "Connections";
    /// Who is signed in.
    signed_in_as = "Signed in as {user}";
    /// A button.
    sign_in = "Sign in";
    /// A button.
    sign_out = "Sign out";
    /// The heading for those who are not signed in.
    sign_in_title = "Sign in to continue";
    /// What happens then.
    sign_in_text = "This page shows which services you may use through {host}, and what they need from you. You sign in with your usual account at {issuer}.";
    /// For those whose session has ended.
    session_ended = "Your session has ended. Nothing was changed. Sign in again to go on.";
    /// The heading after signing out.
    signed_out_title = "You are signed out";
    /// What that means.
    signed_out_text = "Your session on this page has ended. You may still be signed in at {issuer}.";
    /// A link to the issuer's own sign-out.
    sign_out_issuer = "Sign out at {issuer} too";
    /// A link.
    sign_in_again = "Sign in again";
    /// The heading of a sign-in that came to nothing.
    sign_in_failed_title = "You are not signed in";
    /// The user, or the issuer's administrator, said no.
    sign_in_denied = "{issuer} did not let you sign in here. If that surprises you, ask your administrator.";
    /// It was begun elsewhere, or too long ago.
    sign_in_stale = "This sign-in was begun in another browser, was completed already, or was begun too long ago. Please begin again.";
    /// The issuer's answer was not good.
    sign_in_refused = "The answer of {issuer} could not be accepted. Please begin again; if it stays so, ask your administrator.";
    /// The issuer does not answer.
    sign_in_unavailable = "{issuer} does not answer right now. Please try again in a moment.";
    /// Too many from one address.
    sign_in_too_often = "Too many people are signing in from your network at this moment. Wait a minute and begin again.";
    /// The token is too long for cookies.
    sign_in_too_long = "Your account is in more groups than can be kept in a session. Ask your administrator to send fewer groups in tokens for this page.";
    /// The introduction of the overview.
    overview_text = "These are the services that you may use. Each needs your own credentials once; they are stored encrypted, are used for your calls only, and are never shown again.";
    /// There is none.
    overview_empty = "There is no service that your account may use. Ask your administrator to give you access.";
    /// The issuer did not say which groups the user is in.
    groups_unknown = "Your sign-in did not say which groups you are in, so services that are open to certain groups are not listed. Ask your administrator to include groups in the tokens for this page.";
    /// Everything is there.
    state_ready = "Ready";
    /// Something required is missing.
    state_incomplete = "Incomplete";
    /// The backend did not take the credential.
    state_refused = "Refused";
    /// A stored value does not open, or breaks a rule.
    state_broken = "Needs attention";
    /// Said of a service that is ready.
    ready_text = "Everything is set up. You can use it from your MCP client.";
    /// Said of a service that needs nothing.
    nothing_needed = "It needs nothing from you.";
    /// Said of a service that lacks something. `{names}` is a list of titles.
    incomplete_text = "Still missing: {names}.";
    /// Said of a service that refused a credential.
    refused_text = "{tenant} refused what you entered. Enter new credentials to use it again.";
    /// Said of a credential whose day has come.
    expired_text = "What you entered has expired: {names}. Enter new credentials to use it again.";
    /// A link to a service that is ready.
    manage = "Manage";
    /// A link to a service that is not.
    set_up = "Set up";
    /// Where the MCP client has to connect to.
    endpoint = "Address for your MCP client";
    /// The heading of a service's page.
    connect_title = "Connect {tenant}";
    /// The introduction of a service's page.
    connect_text = "{tenant} is called with values of your own. They are stored encrypted and used for your calls only.";
    /// A link.
    back = "All connections";
    /// The mark of what may be left empty.
    optional = "optional";
    /// Under a secret.
    secret_hint = "It is stored encrypted and never shown again.";
    /// Under what is no secret.
    visible_hint = "Not a secret: it is shown to you, and to nobody else.";
    /// What is used if nothing is entered.
    default_hint = "If you leave it empty, {value} is used.";
    /// The pattern of a declaration.
    format_hint = "Expected format";
    /// Since when. `{date}` is a date.
    stored_since = "Stored on {date}";
    /// Until when. `{date}` is a date.
    stored_until = "expires on {date}";
    /// It was until. `{date}` is a date.
    expired_since = "expired on {date}";
    /// Since when the backend refuses it. `{date}` is a date.
    refused_since = "refused by {tenant} on {date}";
    /// Next to the field of a secret that is stored.
    replace_hint = "Enter a new value to replace it. Leave it empty to keep it.";
    /// The first entry of a list of choices.
    choose = "Choose …";
    /// A button.
    save = "Save";
    /// A button, if the service is asked first.
    check_and_save = "Check and save";
    /// What that button does.
    check_hint = "Before anything is stored, {tenant} is asked whether it accepts what you entered.";
    /// A link.
    remove = "Remove";
    /// The same for a screen reader. `{variable}` is a title.
    remove_what = "Remove {variable}";
    /// The heading of the question whether to remove it.
    remove_title = "Remove {variable}?";
    /// What that means.
    remove_text = "Calls to {tenant} will not work until you enter a new value. The value itself stays valid at {tenant}: if nobody is to use it any more, revoke it there as well.";
    /// What that means for what is optional.
    remove_optional_text = "Calls to {tenant} go on without it.";
    /// A link.
    keep = "Keep it";
    /// After saving.
    saved = "Saved. {tenant} has what it needs.";
    /// After saving a part.
    saved_incomplete = "Saved. Something is still missing.";
    /// After saving what the service accepted.
    saved_checked = "Saved. {tenant} accepted what you entered.";
    /// After removing.
    removed = "Removed.";
    /// The heading of what is wrong with a form.
    errors_title = "Nothing was stored yet";
    /// A form without any value.
    nothing_entered = "Enter at least one value.";
    /// An empty value.
    value_empty = "Enter a value.";
    /// Too short.
    value_short = "This is too short: it has at least {min} characters.";
    /// Too long.
    value_long = "This is too long: it has at most {max} characters.";
    /// A control character.
    value_control = "There is a line break or another control character in it. Remove it.";
    /// Not one of the choices.
    value_choice = "Choose one of the list.";
    /// The pattern does not match.
    value_pattern = "This does not look as it should. Check that you copied all of it.";
    /// Any other rule.
    value_wrong = "This value cannot be stored.";
    /// Of a secret in a form that was not accepted.
    enter_again = "Enter it again: what you typed is not kept.";
    /// The service does not take the new credential.
    check_refused = "{tenant} refused what you entered. Check it and try again.";
    /// The service does not answer.
    check_unreachable = "{tenant} does not answer right now, so what you entered could not be checked. Try again later.";
    /// The service answered something strange.
    check_failed = "{tenant} gave an answer that cannot be understood, so what you entered could not be checked. Ask your administrator.";
    /// The heading for those whom the policy does not let through.
    denied_title = "You may not use {tenant}";
    /// No rule allows it.
    denied_text = "Your account has not been given access to it. If you need it, ask your administrator.";
    /// A rule denies it.
    denied_by_rule = "A rule of your organisation keeps your account from using it. If you need it, ask your administrator.";
    /// The groups are not known.
    denied_groups = "Access to it depends on groups, and your sign-in did not say which groups you are in. Ask your administrator to include groups in the tokens for this page.";
    /// A link for somebody else.
    link_other_title = "This link was made for somebody else";
    /// What to do then.
    link_other_text = "You are signed in as {user}, and this link was made for another user. Nobody should ask you to enter your credentials for them. If both accounts are yours, sign out and use the other one.";
    /// A link that is too old, or not one at all.
    link_stale_title = "This link is no longer valid";
    /// What to do then.
    link_stale_text = "It was used, or made too long ago, or what it was made for has changed since. You can still see all your connections.";
    /// The heading where there is nothing.
    not_found_title = "There is no such page";
    /// What to do then.
    not_found_text = "Check the address, or go to your connections.";
    /// A form that was not made by this session.
    forged_title = "This form is not valid any more";
    /// What to do then.
    forged_text = "It was made in another session, or somewhere else. Nothing was changed. Go back to your connections and try again.";
    /// Too many changes.
    too_often_title = "Too many changes at once";
    /// What to do then.
    too_often_text = "Nothing was changed. Wait a minute and try again.";
    /// The vault does not answer.
    vault_title = "Your credentials cannot be reached right now";
    /// What to do then.
    vault_text = "The store does not answer. Try again in a moment.";
    /// The heading of the page for administrators.
    users_title = "Users";
    /// What administrators see there.
    users_text = "Who has stored something, by the id that their issuer gave them. Values are never shown.";
    /// Nobody has.
    users_empty = "Nobody has stored anything.";
    /// A column.
    user_label = "User";
    /// A column.
    issuer_label = "Issuer";
    /// A column.
    values_label = "Stored";
    /// A link to more users.
    next = "More users";
    /// A user who has nothing stored.
    user_empty = "Nothing is stored for this user.";
    /// A button: removes one value of a user.
    reset = "Reset";
    /// What stands for `{tenant}` where it has no title at hand.
    the_service = "the service";
    /// The heading and the button.
    remove_user = "Remove everything";
    /// What that means.
    remove_user_text = "All values of this user are removed, for all services, at once and for good. The user can enter new ones; to keep them out, change the policy.";
    /// The heading of the page that shows administrators what was done, and the links to it.
    audit_title = "Activity";
    /// What they see there.
    audit_text = "What users were allowed and denied, and what they and administrators changed, newest first. Times are in UTC. Values are never written down.";
    /// There is nothing to read from.
    audit_none = "No audit is kept where this page could read it. If this server writes one to its log or to a file, look there; one that is kept in a database is shown here.";
    /// There is nothing yet.
    audit_empty = "Nothing has been written down yet.";
    /// Nothing fits what is asked for.
    audit_nothing_found = "There is nothing that fits.";
    /// Nothing fits among those that were looked at.
    audit_further = "There is nothing that fits among the entries that were looked at. Go on with older ones.";
    /// A field: the id of a user.
    audit_user = "User, by the id of the issuer";
    /// A field: which service.
    audit_tenant = "Service";
    /// The first entry of that field.
    audit_every_tenant = "All services";
    /// A button.
    audit_filter = "Show";
    /// A link to older entries.
    audit_older = "Older";
    /// A link back to the newest entries.
    audit_newest = "Newest";
    /// The heading where the audit does not answer.
    audit_failed_title = "The activity cannot be read right now";
    /// What to do then.
    audit_failed_text = "The database of the audit does not answer, or does not let this server read. Try again in a moment; the log says more.";
    /// A column.
    when_label = "When";
    /// A column.
    what_label = "What";
    /// A column.
    outcome_label = "Outcome";
    /// It was allowed.
    outcome_allowed = "Allowed";
    /// It was denied.
    outcome_denied = "Denied";
    /// The store failed.
    outcome_failed = "Failed";
    /// Why: no rule allows it.
    reason_no_rule = "no rule allows it";
    /// Why: a rule denies it. Its id follows.
    reason_rule = "a rule denies it";
    /// Why: the groups of the user are not known.
    reason_groups = "the groups are not known";
    /// Why: the token has fewer rights than the service asks for.
    reason_scopes = "the token lacks scopes";
    /// Why: there is no such service.
    reason_tenant = "there is no such service";
    /// Whose value it was, behind what was done. `{user}` is an id.
    action_of = "of {user}";
    /// A service or one of its tools was called, or was to be.
    action_use = "Use";
    /// A value was entered.
    action_enter = "Entered a value";
    /// A value was entered in place of another one.
    action_replace = "Replaced a value";
    /// A value was removed by its owner.
    action_remove = "Removed a value";
    /// A link was made that sets a value once.
    action_make_link = "Made a link";
    /// It was used.
    action_use_link = "Used a link";
    /// A value was removed by an administrator. `action_of` follows.
    action_reset = "Reset a value";
    /// Everything of a user was removed by an administrator. `action_of` follows.
    action_remove_user = "Removed everything";
    /// Somebody asked for the pages of administrators.
    action_administer = "Administration";
    /// Somebody signed in.
    action_sign_in = "Signed in";
    /// Somebody signed out.
    action_sign_out = "Signed out";
    /// A stored value does not open.
    unreadable = "What is stored here cannot be read any more. Enter it again.";
}

impl Default for Texts {
    fn default() -> Self {
        Self::english()
    }
}

/// A sentence with its words in braces replaced. What is put in is not looked at again.
pub(crate) fn fill(text: &str, words: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let known = after.split_once('}').and_then(|(name, after)| {
            let (_, value) = words.iter().find(|(word, _)| *word == name)?;
            Some((value, after))
        });
        rest = match known {
            Some((value, after)) => {
                filled.push_str(value);
                after
            }
            None => {
                filled.push('{');
                after
            }
        };
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_put_in_once() {
        let filled = fill("{a} and {b}, {c} {", &[("a", "{b}"), ("b", "x")]);
        assert_eq!(filled, "{b} and x, {c} {");
    }
}
