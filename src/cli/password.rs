//! Asks for a password on the terminal.

use secrecy::SecretString;

/// Asks for the password of `user` without echo.
pub(super) fn ask_password(user: &str) -> Result<SecretString, String> {
    let prompt = ["Password of ", user, ": "].concat();
    let typed = rpassword::prompt_password(prompt).map_err(|_| {
        "there is no terminal to ask for the password; give `--admin-password-file FILE`".to_owned()
    })?;
    if typed.is_empty() {
        return Err("no password was typed".to_owned());
    }
    Ok(SecretString::from(typed))
}
