//! All mistakes of a spec, for display. Main type: [`Mistakes`].

use crate::escape::escaped;

use super::{excerpt::Excerpt, mistake::Mistake};

/// Every mistake of a spec and of the files that it names; never empty.
#[derive(Debug, thiserror::Error)]
#[error("{}", headline(.0))]
pub struct Mistakes(pub Vec<Mistake>);

fn headline(mistakes: &[Mistake]) -> String {
    match mistakes {
        [one] => format!("{}: {one}", one.place),
        many => format!("{} errors", many.len()),
    }
}

impl Mistakes {
    /// The mistakes as shown to the user: each with its line, the place underlined, and what to try.
    pub fn render(&self, color: bool) -> String {
        let theme =
            if color { miette::GraphicalTheme::unicode() } else { miette::GraphicalTheme::unicode_nocolor() };
        let handler = miette::GraphicalReportHandler::new_themed(theme).with_links(false).with_width(100);
        let mut out = String::new();
        for mistake in &self.0 {
            let excerpt = Excerpt::of(mistake);
            let is_drawn = excerpt.is_drawable() && handler.render_report(&mut out, &excerpt).is_ok();
            if !is_drawn {
                out.push_str(&format!(
                    "{}: {excerpt}: {}\n",
                    escaped(&mistake.place.to_string()),
                    excerpt.label()
                ));
            }
        }
        out
    }
}
