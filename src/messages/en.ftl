# Every sentence that people read, in English. Short, calm, second person; the next step is always named.
# Names of buttons and commands stand as people see them. A line may not begin with * [ . or a brace.

### The form

form-title = Ask for an account
form-username = User name
form-username-hint = a–z, 0–9, dot, dash, underscore
form-address = E-mail address
form-address-hint = Your link to set a password goes here
form-given = Given name
form-family = Family name
form-answer = Why do you want an account?
form-answer-hint = A moderator reads this
denial-title = Deny this request
denial-quiet-title = Deny without telling
denial-reason = Reason
denial-reason-hint = The requester reads this
denial-quiet-reason-hint = Only moderators and admins can look this up

button-request = Ask for an account
button-send = Send
button-change = Change
button-cancel = Cancel request
button-approve = Approve
button-deny = Deny
button-deny-quietly = Deny quietly
button-retry = Retry
button-resend = Mail the link again
button-not-me = Not me
button-status = Where do I stand?
not-me-title = Lock your account?
not-me-note = What happened? You may leave this empty
not-me-note-hint = Admins of the server can look this up

### The draft and what follows

draft-shown =
    Please check what you typed. Nothing is sent yet.

    User name: { $username }
    E-mail: { $address }
    Name: { $given } { $family }
draft-answer = Reason: { $answer }
draft-next = Press **Send** to hand it in, or **Change** to correct it. Without **Send** it is dropped { $expires }.
draft-expired = This form was not sent in time, so what you typed was erased. Use `/account request` to start again.
sent-to-moderators = Sent. Your request is { $code }. A moderator will look at it; you get a direct message when it is decided. `/account status` tells you where it stands.
sent-to-rule = Sent. Your request is { $code }. It needs no moderator: if everything is in order, your mail arrives within minutes. `/account status` tells you where it stands.
sent-again = Your request { $code } was already sent. `/account status` tells you where it stands.
cancelled = Your request { $code } is cancelled. You can ask again with `/account request`.
cancelled-undoing = Your request { $code } is cancelled. What was already made is being taken back; `/account status` tells you when that is done.
cancelled-withdrawing = Your request { $code } is cancelled. The mail was already sent: its link stops working, and the account is being withdrawn.

### The mail again, and "not me"

mail-asked = A mail with a new link is being sent for your account { $username }. You get a direct message with what came of it, and `/account status` shows it as well. Nothing else changes: your password stays as it is until you set a new one.
mail-asked-already = A mail for your account { $username } is already on its way. `/account status` tells you what came of it.
mail-wait = A mail was asked for not long ago. You can ask again { $until }. Please look into your spam folder, too.
links-older = Links of earlier mails go on working, each once:
link-sent = sent { $at }, works until { $until }
link-perhaps-sent = perhaps sent { $at }; if it arrived, its link works until { $until }
mail-last-refused = The mail that you asked for { $at } could not be sent. Tell a moderator: somebody of the operators has to look.
mail-last-held-back = The mail that you asked for { $at } was not sent, because many mails went out shortly before. Please ask again in an hour.
not-now-no-account = You have no account. Use `/account request` to ask for one.
not-now-being-made = Your account is still being made, and the mail with your link comes by itself. `/account status` tells you where it stands.
not-now-ending = Your account is being taken back or locked at the moment. `/account status` tells you when that is done.
not-now-locked = Your account is locked: nobody can log in, and no mail is sent. Talk to a moderator or an admin of the server.
not-now-conflict = Something about your account is not as expected, so nothing was changed. The operators look at it; a moderator can tell you more.
not-me-locking = Your account { $username } is being locked now. You get a direct message when that is done, and `/account status` shows it as well.
not-me-locking-already = Your account { $username } is already being locked. `/account status` tells you when that is done.

### The panel

panel-title = **An account in this community**
panel-text = Members can ask for an account here. Each button answers to you alone; the commands `/account request`, `/account status` and `/account password` do the same.
panel-posting = The panel is being posted here. Post it again at any time: the one that stands is brought up to date.
panel-updating = The panel of this channel is being brought up to date. If somebody deleted it, it is posted anew.
panel-rights-missing = { $count ->
    [one] Nothing was posted: I lack a right in this channel. Give it to my role here, then try again:
   *[other] Nothing was posted: I lack rights in this channel. Give them to my role here, then try again:
}
right-view = *View Channel*
right-send = *Send Messages* (in a thread: *Send Messages in Threads*)
right-read-history = *Read Message History*

### The privacy notice

notice =
    What is stored: your Discord id, the user name, your given and family name, your e-mail address, and your reason if you gave one. The account itself goes to this community's directory and login service, which mails you a link to set your password. Accolade never sees your password.
    How long: a form that is not sent is erased after 15 minutes. Names, address and reason of a request are erased here as soon as your account is in use, or 30 days after the request ended. The user name and a log of who did what stay. Moderators see the user name, your reason, and the domain of your address.
questions =
    Who decides? The moderators of this server, or a rule they set.
    What do I get? A mail with a link, where you set your own password.
    Can I take it back? Yes, with `/account cancel`, until you use the account.

### Faults of the form

form-faults = This form cannot be used yet. Nothing was kept.
form-again = Use `/account request` to try again.
form-typed = What you typed, to copy from:
form-change-faults = This change cannot be used. Your form stays as it was.
form-change-again = Press **Change** to try again, or **Send** to hand in what is shown.
username-empty = User name: please type one.
username-too-short = User name: at least 2 characters, please.
username-too-long = User name: at most { $max } characters, please.
username-character = User name: only a–z, 0–9, dot, dash and underscore are possible.
username-beginning = User name: it must begin with a letter.
username-end = User name: it must end with a letter or digit.
username-double-dot = User name: two dots in a row are not possible.
username-unavailable = User name: this one is not available. Please choose another.
address-empty = E-mail address: please type one.
address-too-long = E-mail address: it is too long.
address-not-one = E-mail address: please type exactly one address, such as `ada@example.org`.
address-local = E-mail address: the part before the @ has something that is not accepted.
address-domain = E-mail address: the part after the @ is not accepted.
given-empty = Given name: please type it.
given-too-long = Given name: at most 64 characters, please.
given-character = Given name: it has a character that cannot be used.
given-address = Given name: it reads like a web or mail address.
family-empty = Family name: please type it.
family-too-long = Family name: at most 64 characters, please.
family-character = Family name: it has a character that cannot be used.
family-address = Family name: it reads like a web or mail address.
answer-missing = Reason: please say why you want an account.

### Refusals

reference = (reference { $reference })
refusal-not-eligible = You cannot ask for an account at the moment. A moderator can tell you what is missing.
refusal-already-has-account = You already have an account. `/account status` shows it.
refusal-request-open = You already have an open request. `/account status` tells you where it stands; `/account cancel` takes it back.
refusal-request-open-code = You already have an open request, { $code }. `/account status` tells you where it stands; `/account cancel` takes it back.
refusal-name-illegal = This name cannot be used. Please choose another with `/account request`.
refusal-name-unavailable = This user name is not available. Please choose another with `/account request`.
refusal-address-illegal = This e-mail address cannot be used. Please give another with `/account request`.
refusal-address-in-use = This request cannot be approved: another account has this e-mail address. Deny it, or sort it out with the requester first.
refusal-denied-person = You cannot ask for an account here. If you think this is a mistake, ask a moderator.
refusal-too-many = That was a bit often. Please try again later.
refusal-member-gone = This person is no longer a member of this server, so there is nothing to approve. You can deny the request.
refusal-role-lost = This person no longer meets the rules for an account, so the request cannot be approved now. You can deny it, or wait.
refusal-not-moderator = Your roles do not allow this at the moment. Ask somebody of the moderators or admins.
refusal-own-request = This is your own request. Somebody else has to decide it.
refusal-already-decided = This request is already decided. The card shows the result in a moment.
refusal-approved-by = { $who } approved this request { $at }. Nothing else is needed.
refusal-denied-by = { $who } denied this request { $at }. Nothing else is needed.
refusal-ended = This request is no longer open: it was { $state }.
ended-draft = not sent
ended-waiting = sent again
ended-held = set aside
ended-approved = approved
ended-denied = denied
ended-cancelled = taken back
ended-expired = not decided in time
ended-failed = approved, but the account could not be made
refusal-nothing-to-cancel = You have nothing that can be taken back. `/account status` tells you where you stand.
refusal-stale-button = This button no longer belongs to a current message. Use `/account status` for what is current.
refusal-card-changed = This button no longer belongs to a current message: its card has just changed. Look at the card, then press again.
refusal-directory-down = The directory does not answer at the moment. Nothing is lost; please try again in a few minutes.
refusal-directory-refused = The directory refused this. Somebody of the operators has to look.
refusal-directory-conflict = Something in the directory is not as expected, so nothing was changed. Somebody of the operators has to look.
refusal-keycloak-down = The login service does not answer at the moment. Nothing is lost; please try again in a few minutes.
refusal-keycloak-right-missing = The login service refused this. Somebody of the operators has to look.
refusal-keycloak-user-not-ours = The login service has a user like this already, so nothing was changed. Somebody of the operators has to look.
refusal-import-not-seen = The login service has not taken over the account yet. Somebody of the operators has to look.
refusal-groups-not-seen = The login service does not show the groups yet. Somebody of the operators has to look.
refusal-mail-refused = The mail could not be sent. Somebody of the operators has to look; the address may be wrong.
refusal-mail-unknown = It is not certain that the mail was sent. Look into your inbox and spam folder; somebody of the operators looks as well.
refusal-store-busy = Much is going on at the moment. Nothing is lost; please press again in a moment.
refusal-store-full = Nothing can be stored at the moment, and nothing was. Please try again later.
refusal-internal = Sorry, something went wrong on our side. Please try again; if it happens again, tell a moderator.

failed-role-lost = You no longer met the rules for an account.
failed-member-gone = You were no longer a member of the server.
failed-details = No account is possible with these details; a moderator can tell you more.

why-not = You cannot ask for an account yet:
why-pending = Please finish the membership screening of this server first.
why-bot = Bots get no account.
why-timed-out = You are timed out at present. Ask again when that is over.
why-no-rules = This server gives no accounts at present.
why-roles-missing = { $count ->
    [one] You need the role { $roles }. When you have it, use `/account request` again.
   *[other] You need these roles: { $roles }. When you have them, use `/account request` again.
}
why-one-role-needed = { $count ->
    [one] You need the role { $roles }. When you have it, use `/account request` again.
   *[other] You need one of these roles: { $roles }. When you have one, use `/account request` again.
}
why-role-forbids = As long as you have { $roles }, no account is possible.
why-account-too-young = Your Discord account is too new. It is old enough { $at }.
why-membership-too-young = You joined too recently. You can ask { $at }.
why-membership-unknown = Discord does not say since when you are a member. Please try again later.

old-button = This button is from an older version. Run `/account status`.
not-served = This server is not set up for accounts. Use the command in your community's server.
only-in-server = Please use this in your community's server; it does not work in direct messages.
too-late = This arrived too late to be answered. Please do it again.
retry-started = It is being tried again. You will see the result here.

### Status

status-code = Request { $code }.
status-nothing = You have no account and no open request. Use `/account request` to ask for one.
status-draft = You filled in a form and did not send it. It is dropped { $expires }.
status-waiting = Your request was sent { $since } and waits for a decision. You get a direct message when it is decided.
status-waiting-expires = It ends by itself { $expires }.
status-name-unavailable = The user name { $username } is not available. Use `/account request` to ask with another one.
status-making = Your request is approved and your account { $username } is being made. This takes a moment.
status-step = At present: { $step }.
status-delayed = A server does not answer at the moment. It is tried again by itself, and nothing is lost.
status-mail-pending = Your account { $username } is made, and the mail with your link is being sent.
status-stuck = Your request is approved, but somebody of the operators has to look at your account { $username } before it goes on. They know; you need not do anything.
status-taking-back = Your account { $username } is being taken back. This takes a moment.
status-invited = Your account { $username } is made. A mail with a link was sent { $at }: open it and set your password. Please look into your spam folder, too.
status-invited-link = The newest link works until { $until }.
status-invited-link-perhaps = If the newest mail arrived, its link works until { $until }.
status-invited-no-link = Its link does not work any more. Ask for a new one with `/account password`.
status-mail-under-way = A mail that you asked for is on its way.
status-mail-delayed = A mail that you asked for is on its way. A server does not answer at the moment; it is tried again by itself, and nothing is lost.
status-mail-stuck = A mail that you asked for could not be sent yet: somebody of the operators has to look. They know; you need not do anything.
status-active = Your account { $username } is in use.
status-active-since = Your account { $username } is in use since { $since }.
status-not-me = That was not you? Press **Not me**: your account is locked then.
status-locking = Your account { $username } is being locked, because you said that somebody else set its password.
status-locking-delayed = A server does not answer at the moment. It is tried again by itself, and nothing is lost; what can be locked already is.
status-disabled = Your account { $username } is locked. Ask a moderator if you do not know why.
status-conflict = Something about your account { $username } is not as expected. The operators look at it; you need not do anything.
status-denied = Your last request was denied { $at }. Ask a moderator if you want to know more.
status-denied-reason = The reason given: { $reason }.
status-ended = Your last request ended { $at }. You have no account. If you have questions, ask a moderator.
status-cancelled = Your last request was cancelled { $at }. Use `/account request` to ask again.
status-cancelled-lost = Your last request ended { $at }, because you no longer met the rules or had left. Use `/account request` to ask again.
status-expired = Your last request ended { $at } without a decision. Use `/account request` to ask again.
status-failed = Your last request was approved, but the account could not be made ({ $at }). { $why } Nothing was left behind.

### Direct messages

direct-invited = Your request was approved and your account { $username } is made. A mail with a link is on its way: open it and set your password within { $hours ->
    [one] one hour
   *[other] { $hours } hours
}. Please look into your spam folder, too. `/account status` tells you where it stands.
direct-denied = Your request { $code } was denied. The reason given: { $reason }. If you have questions, ask a moderator.
direct-failed = Your request { $code } was approved, but the account could not be made. { $why } Nothing was left behind. (reference { $reference })
direct-failed-kept = Your account of request { $code } was locked. { $why } A password was set already, so it is kept, and nothing was deleted. If you have questions, ask a moderator.
direct-expired = Your request { $code } ended, because nobody decided it in time. You can ask again with `/account request`.
direct-name-taken = The user name { $username } of your request { $code } is not available. Please ask again with another one: `/account request`.
direct-cancelled = Your request { $code } was cancelled.
direct-cancelled-lost = Your request { $code } ended, because you no longer meet the rules or left the server. If that changes, ask again with `/account request`.
direct-activated = A password was set for your account { $username } { $at }, so it is in use now. That was not you? Press **Not me**: your account is locked then.
direct-locked = Your account { $username } is locked: the password no longer works, and every login has ended. Nothing was deleted.
direct-locked-told = The admins of the server were told. Talk to one of them about how you get it back.
direct-locked-tell = Please tell a moderator or an admin of the server now: they can give it back to you.
direct-mail-sent = A mail with a new link for your account { $username } is on its way: open it and set a password. The link works until { $until }. Please look into your spam folder, too.
direct-mail-unknown = It is not certain that the mail for your account { $username } was sent. Look into your inbox and spam folder; if nothing is there in a few minutes, ask again.
direct-mail-refused = The mail for your account { $username } could not be sent. Tell a moderator: somebody of the operators has to look.
direct-mail-held-back = The mail for your account { $username } was not sent, because many mails went out shortly before. Please ask again in an hour.
direct-withdrawn = Your account { $username } was not used in time and is withdrawn. You can ask again with `/account request`.

### The card

card-head = **Request { $code }** of { $who }, sent { $sent }
card-account-age = Discord account since { $created }
card-joined = joined { $joined }
card-joined-unknown = joined: not known
card-username = User name: { $username }
card-address = E-mail: { $address }
card-rule = Rule: { $rule }
card-no-rule = Rule: none fits
card-answer = Reason: { $answer }
card-earlier = { $count ->
    [0] Earlier requests: none
    [one] Earlier requests: one
   *[other] Earlier requests: { $count }
}
card-not-yet-checked = Waiting · not yet checked
card-free = Waiting · name and address are free
card-name-taken = Waiting · name taken: the requester was asked for another one
card-address-in-use = On hold · address in use by another account: sort it out with the requester, or deny
card-held = On hold · { $why }
card-making = Approved by { $who }, making the account
card-made = Account made · approved by { $who }
card-needs-operator = Approved by { $who } · needs an operator: { $why }
card-stopped-at = Stopped at: { $step }
card-denied = Denied by { $who }
card-denied-quietly = Denied by { $who } · the requester was not told
card-cancelled = Cancelled
card-expired = Expired without a decision
card-failed = Approved, but the account could not be made: { $why } Nothing was left behind.
card-failed-kept = Approved, but the account could not be made: { $why } A password was set already, so the account is locked and kept.
card-rule-decided = rule { $rule }
card-cli-decided = an operator
operator-notice = **Request { $code } needs an operator:** { $why } When the cause is gone, press **Retry**.
locked-notice = **{ $who } says that somebody else set the password of their account (request { $code }).** It is locked, and its sessions have ended; nothing was deleted. Talk to the person, and find out who read their mail.
kept-notice = **The account of request { $code } was to be ended, but it had a password.** It is locked and kept; nothing was deleted. Ask the person before anything else is done with it.

# What a code means for moderators and operators, shorter than what people read.
why-code-directory-down = the directory does not answer.
why-code-directory-refused = the directory refused a change; a right may be missing.
why-code-directory-conflict = an entry with this name or Discord id is not ours.
why-code-keycloak-down = Keycloak does not answer.
why-code-keycloak-right-missing = the service client lacks a right in Keycloak.
why-code-keycloak-user-not-ours = Keycloak has a user of this name or address that is not ours.
why-code-import-not-seen = Keycloak did not import the entry.
why-code-groups-not-seen = Keycloak does not show the groups.
why-code-mail-refused = Keycloak refused to send the mail.
why-code-mail-unknown = it is not known whether the mail went out.
why-code-name-unavailable = the name is taken.
why-code-address-in-use = another account has this address.
why-code-member-gone = the person left the server.
why-code-role-lost = the person no longer meets the rules.
why-code-too-many = a budget is used up.
why-code-store-full = the database has no room.
why-code-discord = Discord does not answer, or refuses the bot; the log has more.
why-code-other = an unexpected cause ({ $code }); the log has more.

step-look = looking whether name and address are free
step-eligible = checking the membership again
step-free = checking name and address again
step-entry = making the directory entry
step-groups = setting the groups
step-import = waiting for Keycloak to import
step-groups-seen = waiting for Keycloak to show the groups
step-mail = sending the mail
step-invite = noting the invitation
step-disable = disabling in Keycloak
step-lock = locking the directory entry
step-end-sessions = ending sessions
step-judge = looking whether a password was set
step-remove = removing the entry
step-restore = enabling again
step-close = closing
step-role = giving the member role
step-resend = sending the mail again

### Requests, for moderators who ask for them

desk-no-requests = No requests.
desk-no-such-request = There is no such request here. `/request list` shows them.
desk-request-line = { $code } · { $who } · { $username } · { $state } · { $at }
desk-approved = Approved by { $who }, { $at }
desk-denied = Denied by { $who }, { $at }
desk-denied-quietly = Denied by { $who }, { $at } · the requester was not told
desk-work = Work: { $kind }, { $state }
desk-more = There may be more: add `after: { $after }`.
desk-no-key = Write after `after:` what the page before named.

### Links and the audit log, for admins

admin-no-links = No links fit.
admin-no-such-link = No link fits, or more than one does: `/link find` lists them.
admin-link-line = { $username } · { $who } · { $state } · account { $account }
admin-erased = somebody who was erased
admin-link-request = Request: { $code }
admin-link-invited = Mail sent: { $at }
admin-link-activated = In use since: { $at }
admin-directory-entry = Directory: { $username } · { $address } · { $lock } · { $password } · groups: { $groups } · entry { $id }
admin-directory-none = Directory: no entry
admin-directory-silent = Directory: not checked
admin-keycloak-user = Keycloak: { $username } · { $enabled } · groups: { $groups } · user { $id }
admin-keycloak-none = Keycloak: no user
admin-keycloak-silent = Keycloak: not checked
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
difference-entry-gone = the directory has no such entry any more.
difference-entry-replaced = the entry is another one than the recorded; its id is { $detail }.
difference-entry-left = the account is closed, and its entry is still there.
difference-mark-missing = the entry does not carry our mark.
difference-mark-of-another = the entry carries the mark of account { $detail }.
difference-discord-id = the Discord id on the entry is { $detail }.
difference-name = the entry's name is { $detail }.
difference-name-case = the entry's name has other capital letters: { $detail }.
difference-group-missing = the entry is not in the group { $detail }.
difference-group-extra = the entry is in the group { $detail }, which its rule does not give.
difference-locked = the entry is locked.
difference-not-locked = the account is disabled, and the entry is not locked.
difference-keycloak-gone = Keycloak has no such user any more.
difference-keycloak-id = the Keycloak user is another one than the recorded; its id is { $detail }.
difference-keycloak-left = the account is closed, and its Keycloak user is still there.
difference-keycloak-not-ours = the Keycloak user does not come from our entry.
difference-keycloak-name = the name in Keycloak is { $detail }.
difference-address = the mail address in Keycloak is another one than in the directory.
difference-address-case = the mail address in Keycloak has other capital letters than in the directory.
difference-keycloak-group-missing = Keycloak does not show the group { $detail }.
difference-keycloak-group-extra = Keycloak shows the group { $detail }, which its rule does not give.
difference-keycloak-disabled = the Keycloak user is disabled.
difference-keycloak-enabled = the account is disabled, and the Keycloak user is enabled.
not-checked-directory = Not checked: the directory does not answer.
not-checked-keycloak = Not checked: Keycloak. It does not answer, or the directory does not: without it Keycloak shows people as disabled, in no group, or not at all.
not-checked-groups = Not checked: groups. They could not be read, or the rule that gave them is not in the configuration any more.
admin-no-audit-rows = No rows fit.
admin-audit-line = { $seq } · { $at } · { $event } by { $who } ({ $source })
admin-audit-about = about { $whom }
admin-more = There may be more: add `after: { $after }`.
admin-in-file = The answer is longer than a message: it is in the file.
admin-exported-links = { $count ->
    [0] There are no accounts; the file has no rows.
    [one] One account is in the file.
   *[other] { $count } accounts are in the file.
} Delete the file when you are done with it.
admin-exported-audit = The rows that fit are in the file. The log's head is { $head }: keep it elsewhere.
admin-too-large = This is larger than Discord takes as a file. Ask for less, or use the command line: `accolade link export`, `accolade audit export`.
admin-no-such-event = There is no such event. Events are called like `request.approved` or `account.activated`.
admin-no-time = Write a time like `2026-11-23T00:00:00Z`, or a day like `2026-11-23`.
admin-no-head = Write the head as it was shown: the number, a colon, 64 hexadecimal digits.

### The command line
## cli

cli-no-configuration = no configuration is named; give `--config FILE` or set ACCOLADE_CONFIG (`accolade config example` prints one to begin with)
cli-no-faults = { $file }: no faults
cli-warning = warning: { $warning }
cli-migrated = The database is at version { $version } now.
cli-nothing-to-migrate = The database is at version { $version }. There was nothing to do.
cli-no-requests = No requests.
cli-no-such-request = there is no such request; `accolade request list` shows them
cli-approved = Request { $code } is approved; the account is being made.
cli-denied = Request { $code } is denied.
cli-nothing-to-retry = no work of request { $code } waits for an operator
cli-retried = The work of request { $code } goes on.
cli-cancelled = Request { $code } is taken back.
cli-cancelled-undoing = Request { $code } is taken back. What was made for it is being undone.
cli-more = There may be more: add `--after { $next }`.
cli-no-links = No links.
cli-no-such-link = no link fits, or more than one does; `accolade link find` lists them
cli-exported-links = { $count ->
    [0] No accounts were written.
    [one] One account was written.
   *[other] { $count } accounts were written.
}
cli-exported-audit = The rows end at the head { $head }: keep it elsewhere.
cli-file-exists = { $file } is there already, and nothing is overwritten
cli-no-audit-rows = No rows.
cli-audit-whole = The audit log is whole. Its head is { $head }: keep it elsewhere.
cli-audit-broken = The audit log was changed: row { $row } does not fit.
cli-audit-head-missing = The audit log was cut off or replaced: it does not hold the head you named. Its head is { $head }.
cli-deny-added = Added to the deny list. Accounts that exist stay as they are.
cli-deny-removed = Taken off the deny list.
cli-not-on-deny-list = that is not on the deny list
cli-empty-deny-list = The deny list is empty.

### The service as a whole: rules explained, reload, backup and restore
## service

service-no-such-guild = the configuration has no `[[guild]]` with this id
service-not-in-guild = Discord knows no such member of this guild
service-decides-automatic = Eligible: rule `{ $rule }` decides. { $count ->
    [0] It grants no group
   *[other] It grants { $groups }
}, without a moderator.
service-decides-moderators = Eligible: rule `{ $rule }` decides. { $count ->
    [0] It grants no group
   *[other] It grants { $groups }
}, once a moderator approves.
service-nothing-fits = Not eligible.
service-would-fit = Rule `{ $rule }` would fit, too; an earlier one decides.
service-does-not-fit = Rule `{ $rule }` does not fit:
service-why-pending = has not finished membership screening
service-why-bot = is a bot
service-why-timed-out = is timed out at present
service-why-no-rules = the guild has no rule
service-why-roles-missing = lacks { $roles } of `all_roles`
service-why-one-role-needed = has none of `any_roles`: { $roles }
service-why-role-forbids = has { $roles } of `none_roles`
service-why-account-too-young = the Discord account reaches `min_account_age` at { $at }
service-why-membership-too-young = reaches `min_membership` at { $at }
service-why-membership-unknown = `min_membership` is not known to be reached: Discord does not say since when
service-waits-for = waiting for { $parts }; /healthz/ready says more
service-serves = serving
service-reloaded = serving; the new configuration holds
service-not-reloaded = serving; the new configuration was REFUSED and nothing has changed, the log says why
service-held = Accounts are paused: this service was restored from a backup and is being checked. Nothing is lost. Please try again later.
service-back-up-by-pg-dump = the database is PostgreSQL: back it up with `pg_dump`, and the key file apart from it
service-restore-by-pg-restore = the database is PostgreSQL: stop every `serve`, put it back with `pg_restore`, then run `accolade restore --hold` before the next start
service-backed-up = { $file } holds the whole database. The audit log's head in it is { $head } or a later one.
service-key-is-apart = The key is not in it: without { $file } its personal values cannot be read. Keep a copy of that file somewhere else than the backup.
service-restored = The backup is in place. Its audit log ends at { $head }.
service-kept-beside = The database that was there is kept as { $file }.
service-what-comes-next = Start `serve`: it answers people that it is being checked, and writes nothing outside. Look at `accolade restore --compare`, then let it act with `accolade restore --agree`.
service-is-held = The database is held back: `serve` writes nothing outside until `accolade restore --agree`.
service-not-held = the database is not held back: there is nothing to agree to
service-compared = { $count ->
    [0] No differences.
    [one] One difference.
   *[other] { $count } differences.
}
service-compared-held = { $count ->
    [0] No differences.
    [one] One difference.
   *[other] { $count } differences.
} The database is held back until `accolade restore --agree`.
service-agreed = The database acts again. { $count ->
    [0] No account was in the making outside.
    [one] One account in the making has an entry already: its mail counts as sent, and a person must look if no password was set.
   *[other] { $count } accounts in the making have entries already: their mails count as sent, and a person must look where no password was set.
}
service-entry-without-account = an entry carries our mark, and the database knows no such account; it was made after the backup. Nothing is done to it
service-entry-of-closed-account = the account has ended in the database, and its entry is still there
service-entry-missing = the database knows an entry that is not there any more
service-entry-made-since = the entry was made after the backup
service-password-set-since = a password was set after the backup; the account becomes active by itself after the agreement
service-locked-since = the entry is locked, and the database does not know why
service-unlocked-since = the account is disabled in the database, and the entry is not locked
service-user-missing = the database knows a Keycloak user that is not there any more
service-user-disabled-since = the Keycloak user is disabled, and the database does not know why
service-user-enabled-since = the account is disabled in the database, and the Keycloak user is not

### What doctor and set-up find
## doctor

doctor-discord-unreachable = Discord does not answer.
doctor-discord-unreachable-fix = Check this machine's way to `discord.com` (name service, firewall), and Discord's status page. The service waits and goes on by itself.
doctor-discord-untrusted = Discord's certificate is not trusted.
doctor-discord-untrusted-fix = Something stands between here and `discord.com`, or this machine's certificates are old. With `discord.endpoint`, check its `ca_file`.
doctor-discord-token-refused = Discord refuses the bot's token.
doctor-discord-token-refused-fix = Developer portal, Bot, Reset Token; write the new token into `discord.token_file` and restart `serve`.
doctor-discord-intent-off = The Server Members intent is off, so Discord refuses the gateway session.
doctor-discord-intent-off-fix = Developer portal, Bot, Privileged Gateway Intents: switch on Server Members Intent.
doctor-discord-interactions-elsewhere = Discord sends commands and buttons to a web address, so the bot never hears of them.
doctor-discord-interactions-elsewhere-fix = Developer portal, General Information: empty the field Interactions Endpoint URL.
doctor-guild-missing = The bot is not in a configured server.
doctor-guild-missing-fix = Invite it with the address that `accolade setup discord` prints, or correct `id` in `[[guild]]`.
doctor-channel-missing = A configured channel is not there, or the bot is not told of it.
doctor-channel-missing-fix = Correct `request_channel` or `log_channel`, or let the bot see the channel (Edit Channel, Permissions).
doctor-channel-rights-missing = The bot lacks a right in a configured channel.
doctor-channel-rights-missing-fix = Edit Channel, Permissions: give the bot's role View Channel, Send Messages and Read Message History.
doctor-channel-open = Everybody reads the channel of the cards: wanted names, reasons and the domains of addresses.
doctor-channel-open-fix = Edit Channel, Permissions: deny View Channel to @everyone; allow it to moderators, admins and the bot.
doctor-role-missing = A configured role is not in the server.
doctor-role-missing-fix = Correct the role id in `[[guild]]` or `[[guild.rule]]`, or make the role again and take its new id.
doctor-role-not-below = The bot cannot give the member role: it does not stand below the bot's own role, or belongs to an integration.
doctor-role-not-below-fix = Server Settings, Roles: drag the bot's role above the member role; choose another `member_role` if an integration owns this one.
doctor-manage-roles-missing = The bot may not give the member role.
doctor-manage-roles-missing-fix = Server Settings, Roles: give the bot's role Manage Roles, or leave `member_role` out.
doctor-administrator-given = The bot has Administrator: whoever holds its token owns the server.
doctor-administrator-given-fix = Server Settings, Roles: take Administrator from every role that the bot has, and give it only what `accolade setup discord` names.
doctor-ldap-unreachable = The directory does not answer.
doctor-ldap-unreachable-fix = Check `directory.url`, the way there, and whether the server runs. The service waits and goes on by itself.
doctor-ldap-untrusted = The directory's certificate is not trusted, or it speaks no TLS there.
doctor-ldap-untrusted-fix = Name the CA that signed it in `directory.ca_file`, and check that `directory.url` has the right scheme, host name and port.
doctor-ldap-bind-refused = The directory refuses the bot's bind.
doctor-ldap-bind-refused-fix = Check `directory.bind_dn` and `directory.bind_password_file`; a line break at the end of the password does not matter, one in it does.
doctor-ldap-base-wrong = A place in the directory is not there, or the bot cannot see it.
doctor-ldap-base-wrong-fix = Check `directory.people_dn` and `directory.groups_dn`, and that the ACL lets the bot read them.
doctor-ldap-acl-wide = The bot may do in the directory what it must not: whoever holds its password can do it, too.
doctor-ldap-acl-wide-fix = Compare `olcAccess` and `olcAddContentAcl` with what `accolade setup directory` prints; the order of the rules matters.
doctor-ldap-acl-narrow = The bot may not do in the directory what it needs.
doctor-ldap-acl-narrow-fix = Compare `olcAccess` with what `accolade setup directory` prints; the order of the rules matters.
doctor-ldap-mark-attribute-missing = The directory's schema takes no mark: it does not know the attribute, or not on an entry of these classes.
doctor-ldap-mark-attribute-missing-fix = Correct `directory.mark_attribute` or `directory.object_classes`, or load the schema that has them.
doctor-ldap-id-attribute-missing = The directory's schema takes no Discord id: it does not know the attribute, or not on an entry of these classes.
doctor-ldap-id-attribute-missing-fix = Correct `directory.discord_id_attribute` or `directory.object_classes`, or load the schema that has them.
doctor-ldap-overlay-missing = An overlay that Accolade counts on is not there, or does not cover this.
doctor-ldap-overlay-missing-fix = Add it as `accolade setup directory` prints it.
doctor-ldap-unique-not-serialized = The overlay `unique` lets two simultaneous writes pass: two people could get one address.
doctor-ldap-unique-not-serialized-fix = Begin each value of `olcUniqueURI` with `serialize `, as `accolade setup directory` prints it.
doctor-ldap-nosync = The directory confirms what is not on its disk yet: a power cut loses accounts that people were told of.
doctor-ldap-nosync-fix = Take `olcDbNoSync` (or `dbnosync`) out of the database's settings.
doctor-ldap-group-missing = A group that a rule grants is not in the directory.
doctor-ldap-group-missing-fix = Make it, marked with `businessCategory: accolade`, or correct `groups` in `[[guild.rule]]`.
doctor-ldap-group-not-managed = A group that a rule grants is not marked as managed, so the bot may not change its members.
doctor-ldap-group-not-managed-fix = Add `businessCategory: accolade` to the group, or take it out of `groups` in `[[guild.rule]]`.
doctor-ldap-trial-left = An entry of a trial could not be removed.
doctor-ldap-trial-left-fix = Remove the entries `uid=trial-…` below `people_dn` by hand; nobody can log in with them.
doctor-keycloak-unreachable = Keycloak does not answer.
doctor-keycloak-unreachable-fix = Check `keycloak.url`, the way there, and whether the server runs. The service waits and goes on by itself.
doctor-keycloak-untrusted = Keycloak's certificate is not trusted.
doctor-keycloak-untrusted-fix = Name the CA that signed it in `keycloak.ca_file`, and check the host name in `keycloak.url`.
doctor-keycloak-realm-missing = Keycloak has no such realm.
doctor-keycloak-realm-missing-fix = Check `keycloak.url` (with the path, if Keycloak has one) and `keycloak.realm`; `accolade setup keycloak --apply` makes it.
doctor-keycloak-secret-wrong = Keycloak refuses the service client.
doctor-keycloak-secret-wrong-fix = Check `keycloak.client_id`; `accolade setup keycloak --apply` writes `client_secret_file` anew.
doctor-keycloak-rights-missing = The service client lacks a right.
doctor-keycloak-rights-missing-fix = Run `accolade setup keycloak --apply`: it gives what the client needs, by roles or by permissions, as the realm has it. Where it names permissions of others, let these fit the client, too.
doctor-keycloak-rights-wide = The service client holds rights that it does not need.
doctor-keycloak-rights-wide-fix = Run `accolade setup keycloak --apply`: it takes away all that the client does not need. Look for composite roles, groups and permissions of others if some stay.
doctor-keycloak-federation-unknown = `federation_id` names no LDAP federation of the realm, or `group_mapper_id` no mapper.
doctor-keycloak-federation-unknown-fix = Put both ids into the configuration as `accolade setup keycloak` prints them.
doctor-keycloak-federation-off = The LDAP federation is switched off: nobody is imported.
doctor-keycloak-federation-off-fix = Keycloak, User federation: switch it on, or run `accolade setup keycloak --apply`.
doctor-keycloak-federation-readonly = The LDAP federation does not write to the directory: passwords stay in Keycloak or are refused.
doctor-keycloak-federation-readonly-fix = Run `accolade setup keycloak --apply`: it sets the edit mode WRITABLE.
doctor-keycloak-cache-policy = The LDAP federation remembers people: changes of groups and locks are not seen at once.
doctor-keycloak-cache-policy-fix = Run `accolade setup keycloak --apply`: it sets the cache policy NO_CACHE.
doctor-keycloak-trusts-addresses = The LDAP federation takes every address for proved.
doctor-keycloak-trusts-addresses-fix = Run `accolade setup keycloak --apply`: it switches Trust Email off.
doctor-keycloak-mapper-missing = A mapper of the LDAP federation is missing, or reads from somewhere else.
doctor-keycloak-mapper-missing-fix = Run `accolade setup keycloak --apply`: it makes or mends the mappers, and prints `group_mapper_id`.
doctor-keycloak-profile-open = The user profile does not know the Discord id, or lets people write their own.
doctor-keycloak-profile-open-fix = Run `accolade setup keycloak --apply`: only administrators may write `discordId`.
doctor-keycloak-no-mail-server = The realm has no mail server: no link can be sent.
doctor-keycloak-no-mail-server-fix = Keycloak, Realm settings, Email: set host and sender, and press Test connection.
doctor-keycloak-mail-client-off = The client that mailed links name is missing or switched off.
doctor-keycloak-mail-client-off-fix = Run `accolade setup keycloak --apply`, or correct `keycloak.mail_client_id`.
doctor-keycloak-redirect-refused = The client of the mailed link does not allow `mail_redirect_uri`: Keycloak refuses to mail.
doctor-keycloak-redirect-refused-fix = Run `accolade setup keycloak --apply`: it adds exactly this address.
doctor-keycloak-redirect-wildcard = The client of the mailed link allows addresses with a wildcard: a link can be made to lead anywhere.
doctor-keycloak-redirect-wildcard-fix = Keycloak, Clients, the client, Valid redirect URIs: replace what contains `*` by whole addresses.
doctor-keycloak-action-off = A required action that the mail names is switched off: the link would do nothing.
doctor-keycloak-action-off-fix = Keycloak, Authentication, Required actions: enable Update Password and Verify Email.
doctor-keycloak-events-off = The realm does not record that passwords are set, or forgets it within a day: accounts stay invited.
doctor-keycloak-events-off-fix = Run `accolade setup keycloak --apply`: it switches the user events on and keeps them for 30 days.
doctor-keycloak-hostname-open = Keycloak puts the host of whoever asks into its links: a caller can make mails lead elsewhere.
doctor-keycloak-hostname-open-fix = Set `KC_HOSTNAME` to the public address and restart Keycloak.
doctor-keycloak-version-holes = This version of Keycloak has known holes (CVE-2026-18963: setting somebody else's password).
doctor-keycloak-version-holes-fix = Bring Keycloak to 26.7.2, 26.6.6, 26.4.15 or newer.
doctor-keycloak-admins-in-realm = Somebody in the bot's realm administers it: `manage-users` is enough to take their account over.
doctor-keycloak-admins-in-realm-fix = Let administrators live in the realm `master`, and take the roles of `realm-management` from people and groups here.
doctor-store-unreachable = The database does not answer.
doctor-store-unreachable-fix = Check `store.url`, `store.password_file`, whether the server runs, and the room on its disk.
doctor-store-not-ready = The database is not made, or is of another version.
doctor-store-not-ready-fix = Run `accolade migrate` as the user that serves.
doctor-store-readable = The database or the key is not this user's alone.
doctor-store-readable-fix = Run `accolade` as the user that serves; if you did, run the command that is named.
doctor-key-missing = The key file is missing: personal values cannot be read.
doctor-key-missing-fix = Bring it back from your backup; where the database is new, `accolade migrate` makes one.
doctor-key-wrong = The key file holds no key, or another database's.
doctor-key-wrong-fix = Bring the right one back from your backup; it must not be made anew.
doctor-clock-skew = This machine's clock and a server's are more than a minute apart.
doctor-clock-skew-fix = Run a time service (chrony, systemd-timesyncd) on both machines.
doctor-not-checked-needs-administrator = The service's client may not see it: add `--as-admin`.
doctor-not-checked-needs-server-configuration = The bot's bind may not see it: add `--ldap-config-dn`.
doctor-not-checked-needs-trial = It shows only in a trial: leave `--read-only` out.
doctor-not-checked-blocked = What it depends on is wrong or was not seen.
doctor-system-discord = Discord
doctor-system-directory = The directory
doctor-system-keycloak = Keycloak
doctor-system-machine = This machine
attempt-add-person = add a person
attempt-read-person = read that entry
attempt-lock = lock it
attempt-unlock = take the lock off
attempt-join-group = make it a member of a managed group
attempt-leave-group = take it out of a managed group
attempt-delete-locked = delete it, locked and without a password
attempt-add-with-password = add a person with a password
attempt-add-without-mark = add a person without the mark
attempt-add-foreign-attribute = add a person with `employeeType`
attempt-add-foreign-class = add a person of the class `extensibleObject`
attempt-add-elsewhere = add a person among the groups
attempt-write-password = write a password
attempt-set-password = set a password by the operation for it
attempt-take-mark-off = take the mark off
attempt-rename = rename an entry
attempt-delete-unlocked = delete an entry that is not locked
attempt-see-passwords = see passwords
attempt-write-foreign-person = change a person who is not ours
attempt-write-foreign-group = change a group that is not managed
doctor-finding = { $code }: { $wrong }{ $about }
    Fix: { $fix }
doctor-in-order = { $count ->
    [one] { $count } thing is in order.
   *[other] { $count } things are in order.
}
doctor-unjudged = Not checked: { $codes }. { $why }
doctor-all-well = Everything was checked and is in order.
doctor-summary = Findings: { $findings }. Not checked: { $unjudged }; what was not checked is not known to be in order.
doctor-nothing-wrong = Nothing that was checked is wrong.
doctor-of-this-server = Of other systems this is what the service's own credentials see; of Discord it is this server alone. `accolade doctor` on the bot's machine names files, too, and can be lent an administrator.
doctor-under-way = Somebody is looking already: ask again in a minute.
doctor-takes-long = This takes longer than two minutes, so a server answers very slowly. The look goes on until it has cleaned up after itself: ask again in a few minutes, or use `accolade doctor` on the bot's machine.
doctor-administrator-refused = Keycloak does not let this administrator in: check `--admin-user` and the password.
doctor-config-bind-refused = the directory does not let `--ldap-config-dn` in: check it and the password.
setup-trial-fits = Everything that the bot needs works, and everything that it must not do is refused.
setup-trial-refused = refused, and needed: { $attempt }
setup-trial-allowed = allowed, and must not be: { $attempt }
setup-application = Application id: { $id }
setup-invite = Invite the bot with View Channel, Send Messages and Read Message History: { $url }
setup-invite-with-roles = Invite the bot with View Channel, Send Messages, Read Message History and Manage Roles: { $url }
setup-application-fits = The application's settings are as they should be.
setup-needs-code-grant = The invite asks for a code exchange that nobody makes. Developer portal, Bot: switch Requires OAuth2 Code Grant off.
setup-is-public = Strangers may invite the bot into their own servers. Developer portal, Installation: set Install Link to None; Bot: switch Public Bot off.
setup-not-invited = The bot is not in guild { $guild } yet: open the address above.
setup-needs-federation = the rules name the entry that Keycloak binds as: give `--federation-bind-dn DN`
