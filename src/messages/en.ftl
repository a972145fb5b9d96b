# Every sentence that people read, in English. Short, calm, second person; the next step is always named.
# Names of buttons and commands stand as people see them. A line may not begin with * [ . or a brace.

### The form

form-title = Request an account
form-username = User name
form-username-hint = a–z, 0–9, dot, dash, underscore
form-address = Email address
form-address-hint = The link to set your password is sent here
form-given = Given name
form-family = Family name
form-answer = Why do you want an account?
form-answer-hint = A moderator will see this
denial-title = Deny this request
denial-quiet-title = Deny without notifying
denial-reason = Reason
denial-reason-hint = The requester will see this
denial-quiet-reason-hint = Only moderators and admins can see this

button-request = Request an account
button-send = Send
button-change = Change
button-correct = Correct it
button-cancel = Cancel request
button-approve = Approve
button-deny = Deny
button-deny-quietly = Deny quietly
button-retry = Retry
button-resend = Send the link again
button-not-me = Not me
button-status = Check my status
not-me-title = Lock your account?
not-me-note = What happened? (optional)
not-me-note-hint = Only admins of this server can see this

### The draft and what follows

draft-shown =
    Please check your details. Nothing has been sent yet.

    User name: { $username }
    Email: { $address }
    Name: { $given } { $family }
draft-answer = Reason: { $answer }
draft-next = Press **Send** to submit it, or **Change** to correct it. If you don't press **Send**, it is deleted { $expires }.
draft-dropped = This form is no longer there: you cancelled it or filled in a new one, and its details were erased. `/account status` shows where things stand.
draft-expired = You didn't send this form in time, so your details were erased. Use `/account request` to start again.
sent-to-moderators = Sent. Your request is { $code }. A moderator will review it, and you'll get a direct message with the decision. `/account status` shows its progress, also if you don't accept direct messages.
sent-to-rule = Sent. Your request is { $code }. It doesn't need a moderator: if everything is in order, your email arrives within minutes. `/account status` shows its progress.
sent-again = Your request { $code } has already been sent. `/account status` shows its progress.
cancelled = Your request { $code } has been cancelled. You can apply again with `/account request`.
cancelled-undoing = Your request { $code } has been cancelled. Everything created so far is being removed; `/account status` shows when that is done.
cancelled-withdrawing = Your request { $code } has been cancelled. The email has already gone out: its link will stop working, and the account is being removed.

### Another mail, and "not me"

mail-asked = An email with a new link is being sent for your account { $username }. You'll get a direct message with the result, and `/account status` shows it too. Nothing else changes: your current password stays valid until you set a new one.
mail-asked-already = An email for your account { $username } is already on its way. `/account status` shows the result.
mail-wait = You asked for an email a moment ago. You can ask for another { $until }. Please check your spam folder too.
links-older = Links from earlier emails still work, unless you have used them; each can be used once:
link-sent = sent { $at }, works until { $until }
link-used = The link of the email sent { $at } was used { $used }, so it no longer works.
link-perhaps-sent = possibly sent { $at }; if it arrived, its link works until { $until }
mail-last-refused = The email you asked for { $at } could not be sent. Please tell a moderator, so that an operator can fix it.
mail-last-held-back = The email you asked for { $at } was not sent, because the limit for emails was reached. Please ask again in an hour.
not-now-no-account = You don't have an account. Use `/account request` to ask for one.
not-now-being-made = Your account is still being created, and the email with your link will follow. `/account status` shows its progress.
not-now-checking = Your account was due to be removed, but a password was set. It can't be used until this has been checked; `/account status` shows when that is done.
not-now-removing = Your account is being removed. Once that is done, you can ask for a new one with `/account request`; `/account status` shows when.
not-now-locking = Your account is being locked. `/account status` shows when that is done.
not-now-locked = Your account is locked: nobody can log in, and no email is sent. If you want it back, ask an admin of this server to unlock it.
not-now-unlocking = Your account is being unlocked. You'll get an email with a link to set a new password; `/account status` shows the progress.
not-now-conflict = Something about your account is not as expected, so nothing was changed. The operators have been told; a moderator can tell you more.
not-me-locking = Your account { $username } is being locked now. You'll get a direct message when that is done, and `/account status` shows it too.
not-me-locking-already = Your account { $username } is already being locked. `/account status` shows when that is done.

### The panel

panel-title = **An account in this community**
panel-text = Members can ask for an account here. Only you see the answers to these buttons. The commands `/account request`, `/account status` and `/account password` do the same.
panel-log-in = Have an account already? Log in here: <{ $url }>
panel-posting = The panel is being posted here. You can post it again at any time: the existing panel is updated.
panel-updating = The panel in this channel is being updated. If it was deleted, it is posted again.
panel-rights-missing = { $count ->
    [one] Nothing was posted: the bot lacks a permission in this channel. Grant it to the bot's role, then try again:
   *[other] Nothing was posted: the bot lacks permissions in this channel. Grant them to the bot's role, then try again:
}
right-view = *View Channel*
right-send = *Send Messages* (in a thread: *Send Messages in Threads*)
right-read-history = *Read Message History*

### The privacy notice

notice =
    What is stored: your Discord id, the user name, your given and family name, your email address, and your reason if you gave one. The account itself goes to this community's directory and login service, which emails you a link to set your password. Accolade never sees your password.
    How long: a form that you don't send is erased after 15 minutes. The name, address and reason in a request are erased here once your account is active, or 30 days after the request ended. The user name and a log of who did what are kept. Moderators see the user name, your reason, and the domain of your address.
questions =
    Who decides? The moderators of this server, or a rule they set.
    What do I get? An email with a link, where you set your own password.
    Can I cancel? Yes, with `/account cancel`, until you start using the account.

### Faults of the form

form-faults = This form needs a correction. Nothing was sent.
form-correct = Press **Correct it**: the form opens with what you typed. It is kept for you alone, and erased { $until }.
form-again = Use `/account request` to try again.
form-typed = What you typed, for copying:
form-not-kept = What you typed is no longer here: it was erased after 15 minutes, or you have used it. Use `/account request` to start again.
form-change-faults = This change can't be used. Your form stays as it was.
form-change-correct = Press **Correct it** to go on with your change, which is erased { $until }; or press **Send** above to submit the form as it is shown there.
form-change-again = Press **Change** to try again, or **Send** to submit what is shown.
username-empty = User name: please type one.
username-too-short = User name: at least 2 characters, please.
username-too-long = User name: at most { $max } characters, please.
username-character = User name: { $character } can't be used; only a–z, 0–9, dot, dash and underscore are allowed.
username-beginning = User name: it must begin with a letter.
username-end = User name: it must end with a letter or digit.
username-double-dot = User name: two dots in a row are not allowed.
username-unavailable = User name: this one is not available. Please choose another.
address-empty = Email address: please type one.
address-too-long = Email address: at most { $max } characters, please.
address-not-one = Email address: please type exactly one address, such as `ada@example.org`.
address-separator = Email address: { $character } can't be used; please type exactly one address, such as `ada@example.org`.
address-local-empty = Email address: the part before the @ is missing.
address-local-too-long = Email address: at most { $max } characters before the @, please.
address-local-character = Email address: { $character } can't be used in the part before the @. If your provider offers a spelling in plain letters, use that one.
address-local-dot = Email address: in the part before the @, a dot can't come first or last, nor twice in a row.
address-domain-empty = Email address: the part after the @ is missing.
address-domain-character = Email address: { $character } can't be used in the part after the @.
address-domain-too-long = Email address: the part after the @ is too long: at most 63 characters between two dots, and 253 in all.
address-domain = Email address: the part after the @ isn't an internet domain, such as `example.org`.
given-empty = Given name: please type it.
given-too-long = Given name: at most 64 characters, please.
given-character = Given name: { $character } can't be used in a name.
given-address = Given name: it looks like a web or email address.
family-empty = Family name: please type it.
family-too-long = Family name: at most 64 characters, please.
family-character = Family name: { $character } can't be used in a name.
hidden-character = an invisible character
space-character = a space
family-address = Family name: it looks like a web or email address.
realm-too-short = { $field }: at least { $min ->
    [one] { $min } character
   *[other] { $min } characters
}, please. The login service asks for it.
realm-too-long = { $field }: at most { $max ->
    [one] { $max } character
   *[other] { $max } characters
}, please. The login service accepts no more.
realm-character = { $field }: the login service of this community doesn't accept { $character } here.
realm-pattern = { $field }: the login service of this community doesn't accept it. A moderator can tell you what it accepts.
answer-missing = Reason: please say why you want an account.

### Refusals

reference = (reference { $reference })
refusal-not-eligible = You can't ask for an account right now. A moderator can tell you what is missing.
refusal-account-in-use = There is nothing to cancel: your account was set up already. If you want it closed, ask a moderator or an admin.
refusal-already-has-account = You already have an account. `/account status` shows it.
refusal-request-open = You already have an open request. `/account status` shows its progress; `/account cancel` cancels it.
refusal-request-open-code = You already have an open request, { $code }. `/account status` shows its progress; `/account cancel` cancels it.
refusal-name-illegal = This name can't be used. Please choose another with `/account request`.
refusal-name-unavailable = This user name is not available. Please choose another with `/account request`.
refusal-address-illegal = This email address can't be used. Please enter another one with `/account request`.
refusal-address-in-use = This request can't be approved: another account has this email address. Deny it, or resolve this with the requester first.
refusal-denied-person = You can't ask for an account here. If you think this is a mistake, ask a moderator.
refusal-too-many = You've done this too often in a short time. Please try again later.
refusal-member-gone = This person is no longer a member of this server, so there is nothing to approve. You can deny the request.
refusal-role-lost = This person no longer meets the rules for an account, so the request can't be approved now. You can deny it, or wait.
refusal-not-moderator = Your roles don't allow this right now. Ask a moderator or an admin.
refusal-admins-only = Your roles don't allow this. Ask an admin of this server.
refusal-own-request = This is your own request. Another moderator has to decide it.
refusal-already-decided = This request has already been decided. The card will show the result in a moment.
refusal-approved-by = { $who } approved this request { $at }. There is nothing left to do.
refusal-denied-by = { $who } denied this request { $at }. There is nothing left to do.
refusal-ended = This request is no longer open: it was { $state }.
ended-draft = not sent
ended-waiting = sent again
ended-held = put on hold
ended-approved = approved
ended-denied = denied
ended-cancelled = cancelled
ended-expired = not decided in time
ended-failed = approved, but the account could not be created
refusal-nothing-to-cancel = You have nothing to cancel. `/account status` shows where things stand.
refusal-not-stopped = This isn't waiting for an operator any more. `/request show` shows where it stands.
refusal-changed-meanwhile = Someone else changed this request at the same time. Nothing was done. Please try again.
refusal-stale-button = This button is out of date. Use `/account status` to see the current state.
refusal-card-changed = This button is out of date: its card has just changed. Look at the card, then press again.
refusal-directory-down = The directory isn't responding. Nothing is lost; please try again in a few minutes.
refusal-directory-refused = The directory refused this change. The operators have been told.
refusal-directory-conflict = Something in the directory is not as expected, so nothing was changed. The operators have been told.
refusal-keycloak-down = The login service isn't responding. Nothing is lost; please try again in a few minutes.
refusal-keycloak-refused = The login service refused this change. The operators have been told.
refusal-keycloak-right-missing = The login service refused this change. The operators have been told.
refusal-keycloak-user-not-ours = The login service already has a user with these details, so nothing was changed. The operators have been told.
refusal-keycloak-user-left = The login service still has a user of this account. The operators have been told.
refusal-import-not-seen = The login service doesn't show the account yet. The operators have been told.
refusal-groups-not-seen = The login service doesn't show the groups yet. The operators have been told.
refusal-mail-refused = The email could not be sent; the address may be wrong. The operators have been told.
refusal-mail-unknown = The email may not have been sent. Check your inbox and spam folder; the operators have been told.
refusal-discord-down = Discord isn't responding to the bot. Nothing is lost; please try again in a few minutes.
refusal-discord-refused = Discord refused what the bot needs for this. The operators have been told.
refusal-store-busy = The service is busy and nothing was lost. Please press the button again.
refusal-store-full = Nothing can be stored right now, and nothing was. Please try again later.
refusal-internal = Sorry, something went wrong. Please try again; if it happens again, tell a moderator.

failed-not-eligible = { failed-role-lost }
failed-role-lost = You no longer met the rules for an account.
failed-member-gone = You were no longer a member of the server.
failed-address-in-use = An account can't be created with these details; a moderator can tell you more.
failed-keycloak-user-not-ours = { failed-address-in-use }
failed-directory-conflict = { failed-address-in-use }

why-not = You can't ask for an account yet:
why-pending = Please finish the membership screening of this server first.
why-bot = Bots can't have an account.
why-timed-out = You are in timeout. Ask again when it ends.
why-no-rules = This server doesn't offer accounts right now.
why-roles-missing = { $count ->
    [one] You need the role { $roles }. When you have it, use `/account request` again.
   *[other] You need these roles: { $roles }. When you have them, use `/account request` again.
}
why-one-role-needed = { $count ->
    [one] You need the role { $roles }. When you have it, use `/account request` again.
   *[other] You need one of these roles: { $roles }. When you have one, use `/account request` again.
}
why-role-forbids = You can't have an account while you have { $roles }.
why-account-too-young = Your Discord account is too new. It will be old enough { $at }.
why-membership-too-young = You joined too recently. You can ask { $at }.
why-membership-unknown = Discord didn't say when you joined. Please try again later.

old-button = This button is from an older version. Run `/account status`.
not-served = This server is not set up for accounts. Use the command in your community's server.
only-in-server = Please use this in your community's server; it doesn't work in direct messages.
too-late = This arrived too late to be answered. Please try again.
retry-started = Trying again. You'll see the result here.

### Status

status-code = Request { $code }.
status-nothing = You have no account and no open request.
status-ask = Use `/account request` to ask for an account.
status-draft = You filled in a form but haven't sent it. It is deleted { $expires }.
status-waiting = Your request was sent { $since } and is waiting for a decision. You'll get a direct message with the decision.
status-waiting-expires = It expires { $expires }.
status-name-unavailable = The user name { $username } you asked for is not available. Please choose another one.
status-making = Your request is approved, and your account { $username } is being created. This takes a moment.
status-step = Current step: { $step }.
status-delayed = Still waiting: { $what } The bot keeps trying, and nothing is lost.
status-mail-pending = Your account { $username } is ready, and the email with your link is being sent.
status-stuck = Your request is approved, but an operator has to check your account { $username } first. The operators have been told; you don't need to do anything.
status-taking-back = Your account { $username } is being removed. This takes a moment.
status-taking-back-delayed = Your account { $username } is being removed.
status-taking-back-stuck = Your account { $username } is locked and can't be used, but an operator has to finish its removal. The operators have been told; you don't need to do anything.
status-invited = Your account { $username } is ready. An email with a link was sent { $at }: open it and set your password. Please check your spam folder too.
status-invited-link = The newest link works until { $until }.
status-invited-link-perhaps = If the newest email arrived, its link works until { $until }.
status-invited-no-link = Its link no longer works. Ask for a new one with `/account password`.
status-mail-under-way = An email you asked for is on its way.
status-mail-stuck = An email you asked for could not be sent yet: an operator has to check it. The operators have been told; you don't need to do anything.
status-active = Your account { $username } is active.
status-active-since = Your account { $username } has been active since { $since }.
log-in-at = Log in here: <{ $url }>
status-not-me = Wasn't that you? Press **Not me** to lock your account.
status-locking = Your account { $username } is being locked, because you said that someone else set its password.
status-locking-stuck = Everything that can be locked now is locked. An operator has to finish the rest; the operators have been told.
status-locking-delayed = Everything that can be locked now is locked.
status-disabled = Your account { $username } is locked: nobody can log in. If you want it back, ask an admin of this server to unlock it; you'll then get an email with a link to set a new password.
status-unlocking = Your account { $username } is being unlocked. You'll get an email with a link to set a new password.
status-unlocking-delayed = The account stays locked until then.
status-unlocking-stuck = An operator has to finish this. The operators have been told; the account stays locked until then.
status-checking = Your account { $username } was due to be removed, but a password was set. It can't be used until this has been checked.
status-checking-stuck = An operator has to finish this. The operators have been told; you don't need to do anything.
status-conflict = Something about your account { $username } is not as expected. The operators have been told; you don't need to do anything.
status-denied = Your last request was denied { $at }. Ask a moderator if you want to know more.
status-denied-reason = The reason given: { $reason }.
status-ended = Your last request ended { $at }. You have no account. If you have questions, ask a moderator.
status-cancelled = Your last request was cancelled { $at }.
status-cancelled-lost = Your last request ended { $at }, because you no longer met the rules or had left.
status-expired = Your last request ended { $at } without a decision.
status-failed = Your last request was approved, but the account could not be created ({ $at }). { $why } Everything created so far was removed.

### Direct messages

direct-where = Commands don't work in direct messages: type them in the server { $server }.
direct-where-unnamed = Commands don't work in direct messages: type them in your community's server.
direct-invited = Your request was approved, and your account { $username } is ready. An email with a link is on its way: open it and set your password within { $hours ->
    [one] one hour
   *[other] { $hours } hours
}. Please check your spam folder too. `/account status` shows its progress.
direct-denied = Your request { $code } was denied. The reason given: { $reason }. If you have questions, ask a moderator.
direct-failed = Your request { $code } was approved, but the account could not be created. { $why } Everything created so far was removed. (reference { $reference })
direct-failed-kept = The account for your request { $code } was locked. { $why } A password had already been set, so the account is kept and nothing was deleted. If you have questions, ask a moderator.
direct-expired = Your request { $code } expired, because nobody decided it in time. You can apply again with `/account request`.
direct-name-taken = The user name { $username } of your request { $code } is not available. Please apply again with another one: `/account request`.
direct-cancelled = Your request { $code } was cancelled.
direct-cancelled-lost = Your request { $code } ended, because you no longer meet the rules or left the server. If that changes, apply again with `/account request`.
direct-activated = A password was set for your account { $username } { $at }, so it is in use now.
direct-locked = Your account { $username } is locked: the password no longer works, and every login has ended. Nothing was deleted.
direct-locked-told = The admins of this server have been told. If you want it back, ask one of them to unlock it.
direct-locked-ask = Please tell an admin of this server now: they can unlock it.
direct-enabled = Your account { $username } is unlocked: an admin of this server asked for it. The old password no longer works; you'll get an email with a link to set a new one.
direct-mail-sent = An email with a new link for your account { $username } is on its way: open it and set a password. The link works until { $until }. Please check your spam folder too.
direct-mail-unknown = The email for your account { $username } may not have been sent. Check your inbox and spam folder; if nothing arrives within a few minutes, ask again.
direct-mail-refused = The email for your account { $username } could not be sent. Please tell a moderator, so that an operator can fix it.
direct-mail-held-back = The email for your account { $username } was not sent, because the limit for emails was reached. Please ask again in an hour.
direct-withdrawn = Your account { $username } was not used in time, so it was removed. You can apply again with `/account request`.
direct-closed = Discord refuses my direct messages to you, so here is the news. What comes later is in `/account status`.

### The card

card-headline = **Request { $code }** of { $who } · { $state }
card-title-waiting = Waiting for a decision
card-title-held = On hold
card-title-approved = Approved
card-title-made = Account created
card-title-needs-operator = Needs an operator
card-title-denied = Denied
card-title-cancelled = Cancelled
card-title-expired = Expired
card-title-failed = Failed
card-requester = Requester
card-address = Email
card-account-age = Discord account since
card-joined = Member since
card-joined-unknown = not known
card-rule = Rule
card-no-rule = none matches
card-groups = Groups
card-answer = Reason
card-earlier = Earlier requests
card-earlier-count = { $count ->
    [0] none
    [one] one
   *[other] { $count }
}
card-unreachable = Direct messages to this person are closed: they read the decision in `/account status`
card-footer = Request { $code }
card-not-yet-checked = Waiting · not yet checked
card-free = Waiting · name and address are free
card-name-taken = Waiting · name taken: the requester was asked to choose another one
card-address-in-use = On hold · another account uses this address: resolve this with the requester, or deny
card-held = On hold · { $why }
card-making = Approved by { $who } · creating the account
card-made = Account created · approved by { $who }
card-needs-operator = Approved by { $who } · needs an operator: { $why }
card-stopped-at = Stopped at: { $step }
card-still-waiting = Still waiting: { $what } Waiting since { $since }.
card-end-still-waiting = Still waiting to end the account: { $what } Waiting since { $since }.
card-denied = Denied by { $who }
card-denied-quietly = Denied by { $who } · the requester was not told
card-cancelled = Cancelled
card-expired = Expired without a decision
card-failed = Approved, but the account could not be created: { $why } Everything created so far was removed.
card-failed-kept = Approved, but the account could not be created: { $why } A password had already been set, so the account is locked and kept.
card-rule-decided = rule { $rule }
card-cli-decided = an operator
operator-notice = **Request { $code } needs an operator:** { $why } Once the cause is fixed, press **Retry**.
locked-notice = **{ $who } says that someone else set the password of their account (request { $code }).** The account is locked and its sessions have ended; nothing was deleted. Talk to the person, and find out who can read their email. When it is safe, unlock it with `/link enable`: the old password is replaced, and the person gets a link to set a new one.
kept-notice = **The account of request { $code } was due to be removed, but a password had been set.** It is locked and kept; nothing was deleted. Talk to the person. If they want to keep it, unlock it with `/link enable`: the password is replaced, and they get a link to set a new one.
enabled-notice = **The account of { $who } (request { $code }) is unlocked.** Its old password no longer works, and the person gets an email with a link to set a new one. `/request show` shows who asked for it, and why.
lock-lost-notice = **The account of { $who } (request { $code }) must be locked, and was not.** It is being locked again. If someone unlocked it on purpose in the directory or in Keycloak, use `/link enable` instead: it agrees with the bot, and replaces the old password.

delayed-notice = { $count ->
    [one] **Request { $codes } is still waiting:** { $what } It has been waiting since { $since }.
   *[other] **Requests { $codes } are still waiting:** { $what } The first has been waiting since { $since }.
} The bot keeps trying and nothing is lost; `/doctor` shows what is wrong.
delayed-notice-more = { $codes } and { $count } more

# Why Discord refuses messages, and what to do about it.
refused-missing-access = The bot can't see this channel: give its role View Channel (Edit Channel, Permissions).
refused-missing-permissions = The bot can't post there: give its role Send Messages and Read Message History (Edit Channel, Permissions).
refused-unknown-channel = The channel no longer exists: an operator has to name another one in the configuration.
refused-wrong-channel-type = It is not a text channel: an operator has to name a text channel in the configuration.
refused-thread-closed = It is a thread that is archived or locked: an operator has to name a text channel in the configuration.
refused-blocked = A filter of this server blocks the bot's messages: exempt the bot's role (Server Settings, AutoMod).
refused-too-fast = Discord limits how often the bot may do this. The bot tries again by itself.
refused-turned-off = Discord has turned this off for a while. The bot tries again by itself.
refused-direct-messages-closed = The person doesn't accept direct messages.
refused-unknown-user = The person's Discord account is gone.
refused-unknown-message = The message was deleted.
refused-not-ours = The message belongs to another bot.
refused-invalid-form = Discord doesn't accept a message as it is: an operator has to read the log.
refused-other = An operator has to read the log, which has Discord's code.

# What a code means for moderators and operators, shorter than what people read.
why-code-directory-down = the directory is not responding.
why-code-directory-refused = the directory refused a change; the log and `accolade doctor` say why.
why-code-directory-conflict = an entry with this name or Discord id was not created by the bot.
why-code-keycloak-down = Keycloak is not responding.
why-code-keycloak-refused = Keycloak refused the change; the log has its reason.
why-code-keycloak-right-missing = the service client lacks a permission in Keycloak.
why-code-keycloak-user-not-ours = Keycloak has a user with this name or address that doesn't belong to this account, or another federation made it.
why-code-keycloak-user-left = the account was removed from the directory, but Keycloak still has a user that another federation made from it.
why-code-import-not-seen = Keycloak did not import the entry.
why-code-groups-not-seen = Keycloak does not show the groups.
why-code-mail-refused = Keycloak refused to send the email.
why-code-mail-unknown = it is not known whether the email went out.
why-code-name-unavailable = the name is taken.
why-code-address-in-use = another account has this address.
why-code-member-gone = the person left the server.
why-code-role-lost = the person no longer meets the rules.
why-code-not-eligible = { why-code-role-lost }
why-code-denied-person = the person or their email address is on the deny list.
why-code-too-many = a rate limit was reached.
why-code-store-full = the database is full.
why-code-discord-down = Discord is not responding, or does not accept the bot's token.
why-code-discord-refused = Discord refused the call: the bot lacks a permission, or something that the call names is gone; see the log.
why-code-other = an unexpected cause ({ $code }); see the log.

# What a job waits for, for everybody. Each names the system and the thing.
waits-for-directory-down = the directory is not responding.
waits-for-keycloak-down = Keycloak is not responding.
waits-for-import-not-seen = Keycloak has not imported the entry yet.
waits-for-groups-not-seen = Keycloak does not show the groups yet.
waits-for-mail-refused = Keycloak has refused to send the email so far.
waits-for-mail-unknown = Keycloak has not confirmed yet that it sent the email.
waits-for-discord-down = Discord is not responding, or does not accept the bot's token.
waits-for-too-many = the limit for emails was reached.
waits-for-store-busy = the database is busy.
waits-for-store-full = the database is full.
waits-for-internal = an unexpected error; an operator finds its cause in the log.
waits-for-other = an unexpected cause ({ $code }); an operator finds it in the log.

step-check-availability = checking whether name and address are available
step-eligible = checking the membership again
step-recheck-availability = checking name and address again
step-create-entry = creating the directory entry
step-groups = setting the groups
step-await-import = waiting for Keycloak to import the account
step-await-group-sync = waiting for Keycloak to show the groups
step-mail = sending the email
step-invite = recording the invitation
step-disable = disabling in Keycloak
step-lock = locking the directory entry
step-end-sessions = ending sessions
step-check-password = checking whether a password was set
step-remove = removing the entry
step-unlock = unlocking again
step-reset-password = replacing the password
step-finalize = finishing
step-grant-role = granting the member role
step-resend = sending another email

### Requests, for moderators who ask for them

requests-no-requests = No requests.
requests-no-such-request = There is no such request here. `/request list` shows them.
requests-request-line = { $code } · { $who } · { $username } · { $state } · { $at }
requests-approved = Approved by { $who }, { $at }
requests-denied = Denied by { $who }, { $at }
requests-denied-quietly = Denied by { $who }, { $at } · the requester was not told
requests-denial-reason = Reason of the denial: { $reason }
requests-headline = **Request { $code }**
requests-title = State: { $state }
requests-decision = Decision
requests-jobs = Jobs
requests-note = “Not me” note
requests-enable-reason = Unlocked because
requests-job = { $kind }, { $state }
requests-still-waiting = still waiting: { $what }
requests-waiting-since = waiting since { $since }
requests-no-card = no card yet
requests-more = There may be more: add `after: { $after }`.
requests-refused = **Discord refuses messages in { $channel }.** { $why } Nothing is lost: they are posted as soon as Discord accepts them. `/request list` shows the open requests.
requests-no-key = After `after:`, enter the value that the previous page showed.

### Links and the audit log, for admins

admin-no-links = No accounts match.
admin-enabling = The account { $username } is being unlocked. Its old password is replaced, and the person gets an email with a link to set a new one. `/link show` shows when it is `active`.
admin-enabling-already = The account { $username } is already being unlocked. `/link show` shows when it is `active`.
admin-enabling-again = Unlocking the account { $username } had stopped; it is tried again now. `/link show` shows when it is `active`.
not-enabled-own-account = This is your own account. Another admin has to unlock it.
not-enabled-reason-missing = Please give a reason. Only admins can read it, with `/request show`.
not-enabled-member-gone = This person is not a member of this server, so the account stays locked. If they come back, use `/link enable` again.
not-enabled-role-lost = This person doesn't meet the rules for an account, so it stays locked. When they do, use `/link enable` again.
not-enabled-denied = This person or their email address is on the deny list, so the account stays locked. Remove the entry with `accolade deny remove`, then use `/link enable` again.
not-enabled-not-locked = This account isn't locked, so there is nothing to unlock. `/link show` shows its state.
not-enabled-not-yet = This account is being locked or removed at the moment. If `/link show` says `disabled` when that is done, use `/link enable` again.
not-enabled-conflict = This account is not as recorded, so nothing was changed. `/link show` lists the differences. When they are resolved, press **Retry** on its card.
admin-no-such-link = No account matches, or more than one does: `/link find` lists them.
admin-link-line = { $username } · { $who } · { $state } · account { $account }
admin-erased = an erased person
admin-link-headline = **Account { $username }** of { $who }
admin-link-title = State: { $state }
admin-link-person = Discord user
admin-link-request = Request
admin-link-invited = Email sent
admin-link-activated = Active since
admin-link-footer = Account { $account }
admin-directory-entry = { $username } · { $address } · { $lock } · { $password } · groups: { $groups } · entry { $id }
admin-directory-none = no entry
admin-directory-silent = not checked
admin-keycloak-user = { $username } · { $enabled } · groups: { $groups } · user { $id }
admin-keycloak-none = no user
admin-keycloak-silent = not checked
admin-locked = locked
admin-not-locked = not locked
admin-enabled = enabled
admin-not-enabled = disabled
admin-password-set = password set { $at }
admin-no-password = no password yet
admin-no-groups = none
admin-groups-unread = not checked
admin-no-differences = No differences: directory and Keycloak are as recorded.
admin-difference = Difference: { $what } ({ $code })
difference-entry-gone = the directory no longer has this entry.
difference-entry-replaced = the entry is not the recorded one; its id is { $detail }.
difference-entry-left = the account is closed, and its entry is still there.
difference-mark-missing = the entry doesn't carry Accolade's mark.
difference-mark-of-another = the entry carries the mark of account { $detail }.
difference-discord-id-differs = the Discord id on the entry is { $detail }.
difference-name-differs = the entry's name is { $detail }.
difference-name-case = the entry's name differs only in upper and lower case: { $detail }.
difference-group-missing = the entry is not in the group { $detail }.
difference-group-extra = the entry is in the group { $detail }, which its rule doesn't grant.
difference-locked = the entry is locked.
difference-not-locked = the account is disabled or being ended, and the entry is not locked.
difference-keycloak-user-gone = Keycloak no longer has this user.
difference-keycloak-id-changed = the Keycloak user is not the recorded one; its id is { $detail }.
difference-keycloak-user-left = the account is closed, and its Keycloak user is still there.
difference-keycloak-user-not-ours = the Keycloak user was not imported from this account's entry.
difference-keycloak-name-differs = the name in Keycloak is { $detail }.
difference-address-differs = the email address in Keycloak differs from the one in the directory.
difference-address-case = the email address in Keycloak differs from the one in the directory only in upper and lower case.
difference-keycloak-group-missing = Keycloak doesn't show the group { $detail }.
difference-keycloak-group-extra = Keycloak shows the group { $detail }, which its rule doesn't grant.
difference-keycloak-disabled = the Keycloak user is disabled.
difference-keycloak-enabled = the account is disabled or being ended, and the Keycloak user is enabled.
not-checked-directory = Not checked: the directory is not responding.
not-checked-keycloak = Not checked: Keycloak. Keycloak or the directory is not responding. Without the directory, Keycloak shows people as disabled, in no group, or not at all.
not-checked-groups = Not checked: groups. They could not be read, or the rule that granted them is no longer in the configuration.
admin-no-audit-rows = No rows match.
admin-audit-line = { $seq } · { $at } · { $event } by { $who } ({ $source })
admin-audit-about = about { $whom }
admin-more = There may be more: add `after: { $after }`.
admin-in-file = The answer is too long for a message; it is in the file.
admin-exported-links = { $count ->
    [0] There are no accounts; the file has no rows.
    [one] One account is in the file.
   *[other] { $count } accounts are in the file.
} Delete the file when you no longer need it.
admin-exported-audit = The matching rows are in the file. The head of the audit log is { $head }: store it in another place.
admin-too-large = This is too large for a file on Discord. Narrow the search, or use the command line: `accolade link export`, `accolade audit export`.
admin-no-such-event = There is no such event. Event names look like `request.approved` or `account.activated`.
admin-no-time = Enter a time such as `2026-11-23T00:00:00Z`, or a day such as `2026-11-23`.
admin-no-head = Enter the head as it was shown: the number, a colon, 64 hexadecimal digits.

### Keycloak's mail with the link, as set-up writes it into the realm

keycloak-mail-subject = Your account with { $community }: here is your link
keycloak-mail-intro = This is the link for your account with { $community }. It leads you through: { $actions }.
keycloak-mail-time = It works for { $span }.
keycloak-mail-open = Open the link
keycloak-mail-secret = Please don't pass this email on: anyone who has the link can set your password.
keycloak-mail-ignore = If you don't know what this is about, leave the link alone, and nothing changes.

### The command line
## cli

cli-no-configuration = no configuration file given; use `--config FILE` or set ACCOLADE_CONFIG (`accolade config example` prints one to start from)
cli-no-faults = { $file }: no errors
cli-warning = warning: { $warning }
cli-migrated = The database is now at version { $version }.
cli-nothing-to-migrate = The database is at version { $version }. There was nothing to do.
cli-no-requests = No requests.
cli-no-such-request = there is no such request; `accolade request list` shows them
cli-approved = Request { $code } is approved; the account is being created.
cli-denied = Request { $code } is denied.
cli-nothing-to-retry = no job of request { $code } is waiting for an operator
cli-retried = The job of request { $code } continues.
cli-cancelled = Request { $code } has been cancelled.
cli-cancelled-undoing = Request { $code } has been cancelled. Everything created for it is being removed.
cli-more = There may be more: add `--after { $next }`.
cli-no-links = No links.
cli-no-such-link = no account matches, or more than one does; `accolade link find` lists them
cli-exported-links = { $count ->
    [0] No accounts were written.
    [one] One account was written.
   *[other] { $count } accounts were written.
}
cli-exported-audit = The rows end at the head { $head }: store it in another place.
cli-file-exists = { $file } already exists, and nothing was overwritten
cli-no-audit-rows = No rows.
cli-audit-whole = The audit log is intact. Its head is { $head }: store it in another place.
cli-audit-broken = The audit log was changed: row { $row } doesn't match the row before it.
cli-audit-head-missing = The audit log was truncated or replaced: it doesn't contain the head you gave. Its head is { $head }.
cli-deny-added = Added to the deny list. Existing accounts are not changed.
cli-deny-removed = Removed from the deny list.
cli-not-on-deny-list = that is not on the deny list
cli-empty-deny-list = The deny list is empty.

# The headings of tables. Times are in UTC.
cli-column-about = About
cli-column-added = Added
cli-column-by = By
cli-column-change = Change
cli-column-code = Code
cli-column-created = Created
cli-column-decision = Decision
cli-column-difference = Difference
cli-column-discord-id = Discord id
cli-column-error = Error
cli-column-event = Event
cli-column-job = Job
cli-column-kind = Kind
cli-column-meaning = Meaning
cli-column-next-run = Next run
cli-column-note = Note
cli-column-enable-reason = Unlocked because
cli-column-notify = Told
cli-column-reason = Reason
cli-column-request = Request
cli-column-row = Row
cli-column-source = Source
cli-column-state = State
cli-column-step = Step
cli-column-time = Time
cli-column-until = Until
cli-column-username = User name

### The service as a whole: rules explained, reload, backup and restore
## service

service-refused-channel = { $count ->
    [one] one message waits
   *[other] { $count } messages wait
} for channel { $channel }: { $why }
service-refused-direct = { $count ->
    [one] one direct message waits
   *[other] { $count } direct messages wait
}: { $why }
service-no-such-guild = the configuration has no `[[guild]]` with this id
service-not-in-guild = Discord knows no such member of this guild
service-decides-automatic = Eligible: rule `{ $rule }` applies. { $count ->
    [0] It grants no group
   *[other] It grants { $groups }
}, without a moderator.
service-decides-moderators = Eligible: rule `{ $rule }` applies. { $count ->
    [0] It grants no group
   *[other] It grants { $groups }
}, once a moderator approves.
service-nothing-fits = Not eligible.
service-would-fit = Rule `{ $rule }` would match too, but an earlier rule applies.
service-does-not-fit = Rule `{ $rule }` does not match:
service-why-pending = has not finished membership screening
service-why-bot = is a bot
service-why-timed-out = is timed out
service-why-no-rules = the guild has no rule
service-why-roles-missing = lacks { $roles } of `all_roles`
service-why-one-role-needed = has none of `any_roles`: { $roles }
service-why-role-forbids = has { $roles } of `none_roles`
service-why-account-too-young = the Discord account reaches `min_account_age` at { $at }
service-why-membership-too-young = reaches `min_membership` at { $at }
service-why-membership-unknown = `min_membership` can't be checked: Discord didn't say when the member joined
service-waits-for = waiting for { $parts }; see /healthz/ready
service-serves = serving
service-reloaded = serving; the new configuration is in effect
service-not-reloaded = serving; the new configuration was REJECTED and nothing changed; see the log
service-held = Accounts are paused: this service was restored from a backup and is being checked. Nothing is lost. Please try again later.
service-back-up-by-pg-dump = the database is PostgreSQL: back it up with `pg_dump`, and back up the key file separately
service-restore-by-pg-restore = the database is PostgreSQL: stop every `serve`, restore it with `pg_restore`, then run `accolade restore --hold` before the next start
service-backed-up = { $file } holds the whole database. Its audit log ends at the head { $head } or a later one.
service-key-is-apart = The key is not part of it: without { $file }, personal values can't be read. Keep a copy of that file in another place than the backup.
service-restored = The backup is in place. Its audit log ends at { $head }.
service-kept-beside = The previous database is kept as { $file }.
service-what-comes-next = Start `serve`: it tells people that the service is being checked, and changes nothing in other systems. Review `accolade restore --compare`, then run `accolade restore --agree`.
service-is-held = The database is in maintenance mode: `serve` changes nothing in other systems until you run `accolade restore --agree`.
service-not-held = the database is not in maintenance mode: there is nothing to agree to
service-compared = { $count ->
    [0] No differences.
    [one] One difference.
   *[other] { $count } differences.
}
service-compared-held = { $count ->
    [0] No differences.
    [one] One difference.
   *[other] { $count } differences.
} The database stays in maintenance mode until you run `accolade restore --agree`.
service-agreed = Maintenance mode has ended. { $count ->
    [0] No account was being created when the backup was made.
    [one] One account that was being created already has an entry: its email counts as sent, and an operator must check it if it has no password.
   *[other] { $count } accounts that were being created already have entries: their emails count as sent, and an operator must check those without a password.
}
restored-entry-without-account = an entry carries Accolade's mark, but the database has no such account; it was created after the backup. It is left unchanged
restored-entry-of-closed-account = the account has ended in the database, and its entry is still there
restored-entry-missing = the database has an entry that no longer exists
restored-entry-made-since = the entry was created after the backup
restored-password-set-since = a password was set after the backup; the account becomes active once you run `accolade restore --agree`
restored-locked-since = the entry is locked, and the database has no reason for it
restored-unlocked-since = the account is disabled in the database, and the entry is not locked
restored-user-missing = the database has a Keycloak user that no longer exists
restored-user-disabled-since = the Keycloak user is disabled, and the database has no reason for it
restored-user-enabled-since = the account is disabled in the database, and the Keycloak user is not

### What doctor and set-up find
## doctor

doctor-discord-unreachable = Discord is not responding.
doctor-fix-discord-unreachable = Check this machine's connection to `discord.com` (DNS, firewall) and Discord's status page. The service waits and continues by itself.
doctor-discord-untrusted = Discord's certificate is not trusted.
doctor-fix-discord-untrusted = A proxy intercepts the connection to `discord.com`, or this machine's certificates are out of date. With `discord.endpoint`, check its `ca_file`.
doctor-discord-token-refused = Discord refuses the bot's token.
doctor-fix-discord-token-refused = Developer portal, Bot, Reset Token; write the new token into `discord.token_file` and restart `serve`.
doctor-discord-intent-off = The Server Members intent is off, so Discord refuses the gateway session.
doctor-fix-discord-intent-off = Developer portal, Bot, Privileged Gateway Intents: switch on Server Members Intent.
doctor-discord-interactions-elsewhere = Discord sends commands and buttons to a web address, so the bot never receives them.
doctor-fix-discord-interactions-elsewhere = Developer portal, General Information: clear the field Interactions Endpoint URL.
doctor-guild-missing = The bot is not in a configured server.
doctor-fix-guild-missing = Invite it with the address that `accolade setup discord` prints, or correct `id` in `[[guild]]`.
doctor-channel-missing = A configured channel does not exist, or the bot can't see it.
doctor-fix-channel-missing = Correct `request_channel` or `log_channel`, or let the bot see the channel (Edit Channel, Permissions).
doctor-channel-rights-missing = The bot lacks a permission in a configured channel.
doctor-fix-channel-rights-missing = Edit Channel, Permissions: give the bot's role View Channel, Send Messages, Embed Links and Read Message History.
doctor-channel-type-wrong = A configured channel is not a text channel, so Discord refuses the bot's messages there.
doctor-fix-channel-type-wrong = Write the id of a text or announcement channel into the key that is named. Forums, categories, voice channels and threads don't work.
doctor-channel-open = Everyone can read the channel of the cards: requested names, reasons and the domains of addresses.
doctor-fix-channel-open = Edit Channel, Permissions: deny View Channel to @everyone; allow it to moderators, admins and the bot.
doctor-role-missing = A configured role does not exist in the server.
doctor-fix-role-missing = Correct the role id in `[[guild]]` or `[[guild.rule]]`, or create the role again and use its new id.
doctor-role-not-below = The bot can't grant the member role: it is not below the bot's own role, or it belongs to an integration.
doctor-fix-role-not-below = Server Settings, Roles: drag the bot's role above the member role; choose another `member_role` if an integration owns this one.
doctor-manage-roles-missing = The bot may not grant the member role.
doctor-fix-manage-roles-missing = Server Settings, Roles: give the bot's role Manage Roles, or remove `member_role` from the configuration.
doctor-administrator-given = The bot has Administrator: anyone who has its token controls the server.
doctor-fix-administrator-given = Server Settings, Roles: remove Administrator from every role of the bot, and grant only what `accolade setup discord` lists.
doctor-ldap-unreachable = The directory is not responding.
doctor-fix-ldap-unreachable = Check `directory.url`, the network, and whether the server is running. The service waits and continues by itself.
doctor-ldap-untrusted = The directory's certificate is not trusted, or the port doesn't speak TLS.
doctor-fix-ldap-untrusted = Set `directory.ca_file` to the CA that signed it, and check that `directory.url` has the right scheme, host name and port.
doctor-ldap-bind-refused = The directory refuses the bot's bind.
doctor-fix-ldap-bind-refused = Check `directory.bind_dn` and `directory.bind_password_file`; a line break at the end of the file is ignored, one inside the password is not.
doctor-ldap-base-wrong = A base DN does not exist in the directory, or the bot can't see it.
doctor-fix-ldap-base-wrong = Check `directory.people_dn` and `directory.groups_dn`, and that the ACL lets the bot read them.
doctor-ldap-acl-wide = The bot has permissions in the directory that it must not have: anyone who has its password has them too.
doctor-fix-ldap-acl-wide = Compare `olcAccess` and `olcAddContentAcl` with what `accolade setup directory` prints; the order of the rules matters.
doctor-ldap-acl-narrow = The bot lacks permissions in the directory that it needs.
doctor-fix-ldap-acl-narrow = Compare `olcAccess` with what `accolade setup directory` prints; the order of the rules matters.
doctor-ldap-mark-attribute-missing = The directory's schema does not allow the mark: the attribute is unknown, or these object classes don't allow it.
doctor-fix-ldap-mark-attribute-missing = Correct `directory.mark_attribute` or `directory.object_classes`, or load the schema that defines them.
doctor-ldap-id-attribute-missing = The directory's schema does not allow the Discord id: the attribute is unknown, or these object classes don't allow it.
doctor-fix-ldap-id-attribute-missing = Correct `directory.discord_id_attribute` or `directory.object_classes`, or load the schema that defines them.
doctor-ldap-overlay-missing = An overlay that Accolade relies on is missing, or does not cover this.
doctor-fix-ldap-overlay-missing = Add it as `accolade setup directory` prints it.
doctor-ldap-unique-not-serialized = The overlay `unique` accepts two simultaneous writes: two people could get the same address.
doctor-fix-ldap-unique-not-serialized = Begin each value of `olcUniqueURI` with `serialize `, as `accolade setup directory` prints it.
doctor-ldap-nosync = The directory confirms writes before they are on disk: a power failure loses accounts that people were told about.
doctor-fix-ldap-nosync = Remove `olcDbNoSync` (or `dbnosync`) from the database's settings.
doctor-ldap-index-missing = An attribute that the bot searches has no index, so the directory reads every entry for each search.
doctor-fix-ldap-index-missing = Load the output of `accolade setup directory indexes`. If the attribute has an index of another kind, change its value of `olcDbIndex`.
doctor-ldap-refuses = The directory refuses what the bot needs, and not because a permission is missing.
doctor-fix-ldap-refuses = Look up the result code and its cause; `docs/reference/causes.md` lists them all.
doctor-ldap-classes-wrong = Entries with these object classes can't be added: a class is unknown, or requires what Accolade doesn't write.
doctor-fix-ldap-classes-wrong = Remove the class from `directory.object_classes`. If other programs need it, let them add it to the entries later.
doctor-ldap-group-missing = A group that a rule grants is not in the directory.
doctor-fix-ldap-group-missing = Create it with `businessCategory: accolade`, or correct `groups` in `[[guild.rule]]`.
doctor-ldap-group-not-managed = A group that a rule grants is not marked as managed, so the bot may not change its members.
doctor-fix-ldap-group-not-managed = Add `businessCategory: accolade` to the group, or remove it from `groups` in `[[guild.rule]]`.
doctor-ldap-self-test-left = An entry of the self-test could not be removed.
doctor-fix-ldap-self-test-left = Remove the entries `uid=selftest-…` below `people_dn` by hand; nobody can log in with them.
doctor-keycloak-unreachable = Keycloak is not responding.
doctor-fix-keycloak-unreachable = Check `keycloak.url`, the network, and whether the server is running. The service waits and continues by itself.
doctor-keycloak-untrusted = Keycloak's certificate is not trusted.
doctor-fix-keycloak-untrusted = Set `keycloak.ca_file` to the CA that signed it, and check the host name in `keycloak.url`.
doctor-keycloak-proxy-answers = Something in front of Keycloak answers in its place.
doctor-fix-keycloak-proxy-answers = Let this machine reach `/admin` and `/realms` of Keycloak, or set `keycloak.url` to an address inside the proxy.
doctor-keycloak-links-plain = Keycloak believes that people reach it without TLS, so its links begin with `http://`.
doctor-fix-keycloak-links-plain = Set `KC_HOSTNAME` to the full address with `https://`, or let the proxy send `X-Forwarded-Proto` and set `KC_PROXY_HEADERS`; restart Keycloak.
doctor-keycloak-realm-missing = Keycloak has no such realm.
doctor-fix-keycloak-realm-missing = Check `keycloak.url` (with the path, if Keycloak has one) and `keycloak.realm`; `accolade setup keycloak --apply` creates it.
doctor-keycloak-secret-wrong = Keycloak refuses the service client.
doctor-fix-keycloak-secret-wrong = Check `keycloak.client_id`; `accolade setup keycloak --apply` writes a new `client_secret_file`.
doctor-keycloak-rights-missing = The service client lacks a permission.
doctor-fix-keycloak-rights-missing = Run `accolade setup keycloak --apply`: it grants what the client needs, by roles or by permissions, whichever the realm uses. If it lists permissions that others created, add the client to them.
doctor-keycloak-rights-wide = The service client has permissions that it doesn't need.
doctor-fix-keycloak-rights-wide = Run `accolade setup keycloak --apply`: it removes everything that the client doesn't need. If some remain, look for composite roles, groups and permissions that others created.
doctor-keycloak-federation-unknown = `federation_id` is not an LDAP federation of the realm, or `group_mapper_id` is not one of its mappers.
doctor-fix-keycloak-federation-unknown = Copy both ids into the configuration as `accolade setup keycloak` prints them.
doctor-keycloak-federation-off = The LDAP federation is disabled: nobody is imported.
doctor-fix-keycloak-federation-off = Keycloak, User federation: enable it, or run `accolade setup keycloak --apply`.
doctor-keycloak-federation-readonly = The LDAP federation doesn't write to the directory: passwords stay in Keycloak or are refused.
doctor-fix-keycloak-federation-readonly = Run `accolade setup keycloak --apply --accept-narrowing`: it sets the edit mode WRITABLE, so that Keycloak writes to the directory.
doctor-keycloak-federation-hides = The LDAP federation doesn't show the accounts that Accolade creates: nobody is imported.
doctor-fix-keycloak-federation-hides = Correct the setting in Keycloak, User federation, or run `accolade setup keycloak`: it shows what it would change, and who relies on it.
doctor-keycloak-federation-overlaps = Another LDAP federation of the realm shows the same people: Keycloak imports them through the one that it asks first.
doctor-fix-keycloak-federation-overlaps = Disable that federation, or keep Accolade's accounts out of it with its user filter, such as `(!(description=accolade:*))`.
doctor-keycloak-cache-policy = The LDAP federation caches people: changes to groups and locks are not seen at once.
doctor-fix-keycloak-cache-policy = Run `accolade setup keycloak --apply`: it sets the cache policy NO_CACHE.
doctor-keycloak-trusts-addresses = The LDAP federation treats every address as verified.
doctor-fix-keycloak-trusts-addresses = Run `accolade setup keycloak --apply`: it turns Trust Email off.
doctor-keycloak-mapper-missing = A mapper of the LDAP federation is missing, or reads from the wrong place.
doctor-fix-keycloak-mapper-missing = Run `accolade setup keycloak --apply`: it creates or corrects the mappers, and prints `group_mapper_id`.
doctor-keycloak-profile-open = The user profile does not define the Discord id, or lets people change their own.
doctor-fix-keycloak-profile-open = Run `accolade setup keycloak --apply`: only administrators may write `discordId`.
doctor-keycloak-profile-demands = The user profile asks for something that people of this community don't have, so Keycloak refuses to change them.
doctor-fix-keycloak-profile-demands = Keycloak, Realm settings, User profile: don't require it of admins, or remove the validator. `accolade setup keycloak --close-profile --apply` closes the names, which also works.
doctor-keycloak-no-mail-server = The realm has no mail server: links can't be sent.
doctor-fix-keycloak-no-mail-server = Keycloak, Realm settings, Email: set host and sender, and press Test connection.
doctor-keycloak-mail-client-off = The client named in emailed links is missing or disabled.
doctor-fix-keycloak-mail-client-off = Run `accolade setup keycloak --apply`, or correct `keycloak.mail_client_id`.
doctor-keycloak-redirect-refused = The client of the emailed link doesn't allow `mail_redirect_uri`: Keycloak refuses to send email.
doctor-fix-keycloak-redirect-refused = Run `accolade setup keycloak --apply`: it adds exactly this address.
doctor-keycloak-redirect-wildcard = The client of the emailed link allows a wildcard redirect: a link could lead anywhere.
doctor-fix-keycloak-redirect-wildcard = Keycloak, Clients, the client, Valid redirect URIs: replace entries that contain `*` with full addresses.
doctor-keycloak-mail-texts-missing = The email with the link has Keycloak's own text, which doesn't name your community.
doctor-fix-keycloak-mail-texts-missing = Run `accolade setup keycloak --apply`: it sets the subject and the texts, with the name in `keycloak.community_name`.
doctor-keycloak-last-page-missing = The page to which the emailed link leads at its end doesn't exist.
doctor-fix-keycloak-last-page-missing = Correct `keycloak.mail_redirect_uri`, or leave it out: the link then ends at Keycloak's account console. Then run `accolade setup keycloak --apply`.
doctor-keycloak-action-off = A required action that the email asks for is disabled: the link would do nothing.
doctor-fix-keycloak-action-off = Keycloak, Authentication, Required actions: enable Update Password and Verify Email.
doctor-keycloak-events-off = The realm doesn't record when passwords are set, or deletes these events within a day: accounts stay in the state `invited`.
doctor-fix-keycloak-events-off = Run `accolade setup keycloak --apply`: it turns user events on and keeps them for 30 days.
doctor-keycloak-hostname-open = Keycloak takes the host in its links from the request: a caller can make links lead elsewhere.
doctor-fix-keycloak-hostname-open = Set `KC_HOSTNAME` to the public address and restart Keycloak.
doctor-keycloak-version-holes = This version of Keycloak has known vulnerabilities (CVE-2026-18963: setting someone else's password).
doctor-fix-keycloak-version-holes = Update Keycloak to 26.7.2, 26.6.6, 26.4.15 or newer.
doctor-keycloak-admins-in-realm = The bot's realm contains administrators: `manage-users` is enough to take over their accounts.
doctor-fix-keycloak-admins-in-realm = Move administrators to the realm `master`, and remove the roles of `realm-management` from people and groups here.
doctor-store-unreachable = The database is not responding.
doctor-fix-store-unreachable = Check `store.url`, `store.password_file`, whether the server is running, and its free disk space.
doctor-store-pooled = A pooler stands between the bot and PostgreSQL and breaks its sessions.
doctor-fix-store-pooled = Set `store.url` to PostgreSQL itself; the bot has a pool of its own.
doctor-store-not-ready = The database doesn't exist yet, or has another version.
doctor-fix-store-not-ready = Run `accolade migrate` as the user that runs the service.
doctor-store-readable = Other users can read the database or the key.
doctor-fix-store-readable = Run `accolade` as the user that runs the service; if you did, run the command shown.
doctor-key-missing = The key file is missing: personal values can't be read.
doctor-fix-key-missing = Restore it from your backup; for a new database, `accolade migrate` creates one.
doctor-key-wrong = The key file contains no key, or the key of another database.
doctor-fix-key-wrong = Restore the right one from your backup; a new key can't read the existing values.
doctor-clock-skew = The clocks of this machine and a server differ by more than a minute.
doctor-fix-clock-skew = Run a time service (chrony, systemd-timesyncd) on both machines.
doctor-not-checked-needs-administrator = The service client may not read it: add `--as-admin`.
doctor-not-checked-needs-server-configuration = The bot's bind DN may not read it: add `--ldap-config-dn`.
doctor-not-checked-server-configuration-hidden = The bind of `--ldap-config-dn` may not see it: use one that may read the database's settings in `cn=config`.
doctor-not-checked-needs-self-test = Only the self-test shows it: run without `--read-only`.
doctor-not-checked-schema-hidden = The directory doesn't show its schema to the bot: let `directory.bind_dn` read the entry that `subschemaSubentry` names.
doctor-not-checked-blocked = It depends on something that is wrong or was not checked.
doctor-system-discord = Discord
doctor-system-directory = The directory
doctor-system-keycloak = Keycloak
doctor-system-machine = This machine
attempt-add-person = add a person
attempt-read-person = read that entry
attempt-lock = lock it
attempt-unlock = unlock it
attempt-join-group = add it to a managed group
attempt-leave-group = remove it from a managed group
attempt-delete-locked = delete it, locked and without a password
attempt-add-with-password = add a person with a password
attempt-add-without-mark = add a person without the mark
attempt-add-foreign-attribute = add a person with `employeeType`
attempt-add-foreign-class = add a person of the class `extensibleObject`
attempt-add-elsewhere = add a person among the groups
attempt-write-password = write a password
attempt-set-password = set a password with the Password Modify operation
attempt-take-mark-off = remove the mark
attempt-rename = rename an entry
attempt-delete-unlocked = delete an entry that is not locked
attempt-see-passwords = read passwords
attempt-write-foreign-person = change a person without the mark
attempt-write-foreign-group = change a group that is not managed
doctor-finding = { $code }: { $wrong }{ $about }
    Fix: { $fix }
doctor-in-order = { $count ->
    [one] { $count } check passed.
   *[other] { $count } checks passed.
}
doctor-unchecked = Not checked: { $codes }. { $why }
doctor-all-well = Everything was checked and is correct.
doctor-summary = Findings: { $findings }. Not checked: { $unchecked }; what was not checked may be wrong.
doctor-chat-all-well = Everything was checked and is correct
doctor-chat-title = { $count ->
    [0] Findings: none. What could be checked here is correct
   *[other] Findings: { $count }
}
doctor-chat-fine = Fine
doctor-chat-fine-line = { $system }: { $passed } of { $all } checks passed
doctor-chat-unchecked = Not checked: { $systems }. { $how }
doctor-chat-needs-administrator = The service may not read these settings. To check them, run `accolade doctor --as-admin` on the bot's machine.
doctor-chat-needs-server-configuration = The bot may not read the server's own settings. To check them, run `accolade doctor --ldap-config-dn DN` on the bot's machine, with a bind that may.
doctor-chat-blocked = These depend on something that is wrong or was not checked; ask again when it is mended: { $codes }.
doctor-of-this-server = This shows what the service's own credentials can see, and only this Discord server. `accolade doctor` on the bot's machine also checks files, and can use an administrator's credentials.
doctor-under-way = A check is already running: ask again in a minute.
doctor-takes-long = This takes longer than two minutes, because a server is very slow. The check continues until it has cleaned up: ask again in a few minutes, or use `accolade doctor` on the bot's machine.
doctor-administrator-refused = Keycloak rejected this administrator: check `--admin-user` and the password.
doctor-config-bind-refused = the directory rejected `--ldap-config-dn`: check it and the password.
setup-self-test-passed = Everything that the bot needs is allowed, and everything that it must not do is refused.
setup-self-test-refused = refused, but needed: { $attempt }
setup-self-test-allowed = allowed, but must not be: { $attempt }
setup-application = Application id: { $id }
setup-invite = Invite the bot with View Channel, Send Messages, Embed Links and Read Message History: { $url }
setup-invite-with-roles = Invite the bot with View Channel, Send Messages, Embed Links, Read Message History and Manage Roles: { $url }
setup-application-fits = The application's settings are correct.
setup-needs-code-grant = The invite asks for a code exchange that the bot doesn't make. Developer portal, Bot: turn Requires OAuth2 Code Grant off.
setup-is-public = Strangers can invite the bot to their own servers. Developer portal, Installation: set Install Link to None; Bot: turn Public Bot off.
setup-not-invited = The bot is not in guild { $guild } yet: open the URL above.
setup-needs-federation = the rules need the entry that Keycloak binds as: give `--federation-bind-dn DN`

# Why a connection failed: what it means, and what to change. `url` and `ca` are the keys of the server in question.
cause-name-unknown = The host name has no address. Check the name in `{ $url }` and this machine's DNS.
cause-connection-refused = Nothing listens there. Check host and port in `{ $url }`, and whether the server is running.
cause-unreachable = There is no way to the host, or a firewall forbids it. Check the address in `{ $url }`, routes and firewalls.
cause-timed-out = No answer came in time. Check scheme, host and port in `{ $url }`, firewalls that drop packets, and the load of the server.
cause-connection-lost = The connection ended before the answer. Check the server's log, and what stands between it and this machine.
cause-tls-unknown-issuer = The certificate comes from an authority that is not trusted. Set `{ $ca }` to the CA that signed it, and let the server send its intermediate certificates.
cause-tls-expired = The server's certificate has expired. Renew it and reload the server.
cause-tls-not-yet-valid = The server's certificate is not valid yet. Check the clocks of both machines, then the certificate.
cause-tls-wrong-name = The certificate is for another host name. Use a name in `{ $url }` that is in its Subject Alternative Names (a Common Name alone doesn't count), or issue one for this name.
cause-tls-self-signed = The server shows a CA's own certificate, as a self-signed one is. Some programs accept that, this one never does. Create a CA, let it sign a certificate with `basicConstraints=CA:FALSE`, and set `{ $ca }` to the CA.
cause-tls-weak-signature = The certificate is signed with an algorithm that is no longer safe, such as SHA-1. Issue it again with SHA-256.
cause-tls-bad-signature = A signature doesn't match. Either `{ $ca }` holds another CA of the same name, such as its old certificate, or an RSA key is shorter than 2048 bits. Replace the file, or issue the certificate with a longer key.
cause-tls-version-one = The certificate has version 1, which can't name hosts. Issue it with extensions: a Subject Alternative Name makes it version 3.
cause-tls-wrong-purpose = The certificate isn't meant for servers. Issue it with the extended key usage `serverAuth`.
cause-tls-certificate-unusable = The certificate can't be read, was revoked, or breaks a rule. Look at it with `openssl x509 -text`, and issue another.
cause-tls-too-old = The server speaks only TLS 1.1 or older. Turn on TLS 1.2 or 1.3 there.
cause-tls-no-common-cipher = The server and this program have no cipher in common. Allow ECDHE with AES-GCM or ChaCha20 there.
cause-tls-client-certificate = The server requires a certificate of its clients, and this program has none. Make that optional there.
cause-tls-not-spoken = The port answers, but not with TLS. Check scheme and port in `{ $url }`: TLS usually has a port of its own.
cause-tls-closed = The server closed the connection while TLS began. It may not speak TLS on this port: check scheme and port in `{ $url }`, and the server's log.
cause-tls-failed = TLS failed. The server's log and this program's log say more.
cause-start-tls-refused = The directory refused StartTLS. Configure a certificate there, or use `ldaps://` in `{ $url }`.
cause-not-ldap = What answers is not LDAP. Check scheme and port in `{ $url }`: a port for TLS needs `ldaps://`.
cause-ldap-password-wrong = The directory doesn't know `directory.bind_dn`, or the password in `directory.bind_password_file` is wrong. A line break at the end of the file is ignored, one inside the password is not.
cause-ldap-tls-required = The directory takes passwords only over TLS. Use `ldaps://` in `{ $url }`, or set `directory.start_tls = true`. The password may well be right.
cause-ldap-bind-forbidden = The directory doesn't let `directory.bind_dn` bind with a password: the entry has none, is locked, or a rule forbids it. Check the entry and the server's rules for binds.
cause-ldap-referral = This server refers to another one, so it doesn't hold the data, or is a replica that doesn't write. Set `{ $url }` to the server that holds `directory.people_dn` and takes writes.
cause-ldap-unavailable = The directory is busy, starting or stopping. It passes by itself, or the server's log says why it doesn't.
cause-ldap-limit = The request met one of the directory's limits on time or size. Add the missing indexes, or raise the limits for `directory.bind_dn`.
cause-ldap-control-unknown = The directory doesn't know a control that safe writes need (assertion, RFC 4528). Use a server that supports it.
cause-ldap-attribute-unknown = The directory's schema has no such attribute. Correct `directory.discord_id_attribute` or `directory.mark_attribute`, or load the schema.
cause-ldap-constraint = A value breaks a rule of the directory: it must be unique, or a policy limits it. Look at the overlay `unique` and the server's log.
cause-ldap-value-twice = A value is there twice. Remove double names from `directory.object_classes`.
cause-ldap-syntax = A value doesn't fit the syntax of its attribute. `directory.discord_id_attribute` and `directory.mark_attribute` must take plain text.
cause-ldap-base-missing = This place doesn't exist, or the bind may not see it. Check `directory.people_dn` and `directory.groups_dn`, and that the access rules show them.
cause-ldap-parent-missing = The place for new entries doesn't exist, or the bind may not see it. Check `directory.people_dn`.
cause-ldap-entry-missing = The entry doesn't exist, or the bind may not see it. Check the access rules, and whether it was removed or moved.
cause-ldap-name-invalid = The directory can't read a distinguished name. Check `directory.bind_dn`, `directory.people_dn` and `directory.groups_dn`.
cause-ldap-right-missing = The bind lacks a right. Compare the access rules with what `accolade setup directory` prints; their order matters.
cause-ldap-unwilling = The directory doesn't carry this out: it is read-only, a replica, or a policy forbids it. Set `{ $url }` to a server that takes writes, and look at its log.
cause-ldap-naming = The entry's name doesn't fit its classes. Use classes in `directory.object_classes` that allow `uid`.
cause-ldap-schema = The schema doesn't accept the entry: its classes require an attribute that Accolade doesn't write, or don't allow one that it writes. Correct `directory.object_classes`; rights have nothing to do with it.
cause-ldap-not-leaf = The entry has other entries below it. Move them elsewhere.
cause-ldap-exists = An entry of this name exists. Remove or rename it.
cause-ldap-class-change = The directory doesn't let the classes of an entry be changed like this. Correct `directory.object_classes`.
cause-ldap-error = The directory answered with an error that says little. Its log says more.
cause-not-http = What answers is not HTTP. Check scheme and port in `{ $url }`: a port for TLS needs `https://`.
cause-proxy-forbids = Something in front of Keycloak, such as a proxy, closes this path; Keycloak never saw the request, so its rights are not the reason. Let this machine reach `/admin` and `/realms`, or set `{ $url }` to an address inside the proxy.
cause-proxy-not-found = Something in front of Keycloak answers "not found"; Keycloak never saw the request, so the realm may well exist. Let this machine reach `/admin` and `/realms`, or set `{ $url }` to an address inside the proxy.
cause-proxy-answers = Something in front of Keycloak answers in its place, such as a page for a login or for maintenance. Set `{ $url }` to an address that leads to Keycloak itself.
cause-http-moved = The address leads elsewhere, and redirects aren't followed because the request carries a secret. Set `{ $url }` to the final address, often with `https://`.
cause-http-too-large = A proxy doesn't take a request of this size. Raise its limit for bodies and headers.
cause-bad-gateway = A proxy doesn't reach Keycloak, or Keycloak is starting. Check Keycloak, and the proxy's address for it.
cause-too-many-requests = Keycloak or a proxy asks to wait. Raise the proxy's limit for this machine.
cause-realm-missing = Keycloak has no such realm. Check `keycloak.realm`; `accolade setup keycloak --apply` creates it.
cause-keycloak-path-wrong = Keycloak answers, but not below this path. Check the path in `{ $url }`: it is empty, or what `KC_HTTP_RELATIVE_PATH` says.
cause-keycloak-login-refused = Keycloak refuses the client or the administrator. Check `keycloak.client_id`; `accolade setup keycloak --apply` writes a new `client_secret_file`.
cause-keycloak-right-missing = The client lacks a right. Run `accolade setup keycloak --apply`.
cause-keycloak-error = Keycloak answered with an error of its own. Its log and this program's log say more.
cause-pg-password-wrong = PostgreSQL doesn't know the user in `{ $url }`, or the password in `store.password_file` is wrong.
cause-pg-not-admitted = PostgreSQL doesn't admit this connection. Add a line for this user, database and address to `pg_hba.conf`, and reload the server.
cause-pg-database-missing = The database in `{ $url }` doesn't exist. Create it with `createdb`, owned by the bot's user.
cause-pg-too-many-connections = PostgreSQL has no connection left. Raise `max_connections`, or end what holds them; each process of the bot needs up to ten.
cause-pg-starting = PostgreSQL is starting or stopping. It passes by itself, or its log says why it doesn't.
cause-pg-right-missing = The user lacks a right in the database. Let it own the database, or grant it `CREATE` and `USAGE` on the schema.
cause-pg-no-tls = PostgreSQL doesn't offer TLS, or the file in `{ $ca }` can't be used. Turn `ssl` on there, and check the file.
cause-pg-pooled = A pooler such as PgBouncer gives each transaction another session, which breaks prepared statements, time limits and the lock of migrations. Set `{ $url }` to PostgreSQL itself; the bot has a pool of its own.
cause-pg-pooler-refuses = A pooler such as PgBouncer refuses the connection: its settings, its user or its database. Set `{ $url }` to PostgreSQL itself; the bot has a pool of its own.
cause-pg-pooler-drops = A pooler such as PgBouncer drops the settings of the connection, so no statement has a time limit. Set `{ $url }` to PostgreSQL itself; the bot has a pool of its own.
cause-not-postgres = What answers is not PostgreSQL. Check host and port in `{ $url }`.
