//! The display mode of a run, and how it is chosen.

use std::io::IsTerminal;

/// What the user asks for on the command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// Bars on a terminal, lines elsewhere
    #[default]
    Auto,
    /// A live line for each stage
    Bars,
    /// A line every ten seconds, for logs
    Lines,
    /// Every event as a line of JSON on stdout
    Json,
    /// Nothing but the reason why a run could not be completed
    None,
}

/// How the run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A live line for each stage, then the summary.
    Bars,
    /// A line every ten seconds and at each wave, then the summary.
    Lines,
    /// Every event as a line of JSON, and nothing else.
    Json,
    /// Nothing but the reason why a run could not be completed.
    None,
}

impl Choice {
    /// The mode for this process: bars need a stderr that is a terminal and can move its cursor.
    pub fn resolve(self) -> Mode {
        self.resolve_for(std::io::stderr().is_terminal() && !console::is_dumb())
    }

    /// The mode, given whether bars can be drawn. If not, a choice of bars falls back to lines
    /// instead of showing nothing.
    pub const fn resolve_for(self, bars_work: bool) -> Mode {
        match self {
            Self::Auto | Self::Bars if bars_work => Mode::Bars,
            Self::Auto | Self::Bars | Self::Lines => Mode::Lines,
            Self::Json => Mode::Json,
            Self::None => Mode::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_only_where_they_can_be_drawn() {
        assert_eq!(Choice::Auto.resolve_for(true), Mode::Bars);
        assert_eq!(Choice::Auto.resolve_for(false), Mode::Lines);
        assert_eq!(Choice::Bars.resolve_for(false), Mode::Lines);
        assert_eq!(Choice::Lines.resolve_for(true), Mode::Lines);
        assert_eq!(Choice::Json.resolve_for(true), Mode::Json);
        assert_eq!(Choice::None.resolve_for(true), Mode::None);
    }
}
