//! `accolade completions` and `accolade man`: files for shells and packages, generated from the command line's own definition.

use std::io::{self, Write};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use super::exit::Exit;
use super::print::Printer;

/// `completions`
pub(super) fn completions(shell: Shell, mut command: Command, printer: &mut Printer) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "accolade", &mut script);
    write(&script, printer)
}

/// `man`: one page with all verbs and flags.
pub(super) fn man(mut command: Command, printer: &mut Printer) -> Exit {
    command.build();
    let mut page = Vec::new();
    match render(&command, &mut page) {
        Ok(()) => write(&page, printer),
        Err(error) => printer.failure("could not write the page", &error),
    }
}

/// The page of the program, followed by a section for each verb.
fn render(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(command.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    render_verbs(command, "accolade", page)?;
    man.render_version_section(page)
}

/// The verbs below `command`: for each one that has no verbs of its own, its usage, description and flags.
fn render_verbs(command: &Command, path: &str, page: &mut Vec<u8>) -> io::Result<()> {
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        let path = [path, " ", verb.get_name()].concat();
        if verb.has_subcommands() {
            render_verbs(verb, &path, page)?;
            continue;
        }
        writeln!(page, ".SH {}", path.to_uppercase())?;
        let (man, mut sections) = (Man::new(verb.clone()), Vec::new());
        man.render_synopsis_section(&mut sections)?;
        man.render_description_section(&mut sections)?;
        man.render_options_section(&mut sections)?;
        // The sections of a verb are subsections of the page.
        page.extend_from_slice(String::from_utf8_lossy(&sections).replace(".SH ", ".SS ").as_bytes());
    }
    Ok(())
}

/// Writes generated text to standard output as it is.
fn write(text: &[u8], printer: &mut Printer) -> Exit {
    match printer.out().write_all(text) {
        Ok(()) => Exit::Done,
        // The reader of standard output has closed it (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => printer.failure("could not write", &error),
    }
}
