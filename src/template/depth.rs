//! The depth limit of expressions. The library parses and compiles recursively, and thousands of operators
//! would overflow the stack instead of giving a mistake with its place.

use minijinja::{
    machinery::{Token, tokenize},
    syntax::SyntaxConfig,
};

use super::mistake::{TemplateFault, TemplateMistake};

/// The most operators in one expression. A thread's stack of 2 MB is enough for twice as many in a debug
/// build.
const MOST_OPERATORS: usize = 500;

/// The most nested brackets.
const MOST_BRACKETS: usize = 50;

/// The first expression that exceeds a limit.
pub(super) fn too_deep(text: &str, expression: bool) -> Option<TemplateMistake> {
    let (mut operators, mut brackets) = (0, 0_usize);
    for (token, span) in tokenize(text, expression, SyntaxConfig::default()).map_while(Result::ok) {
        match token {
            Token::TemplateData(_)
            | Token::VariableStart
            | Token::BlockStart
            | Token::VariableEnd
            | Token::BlockEnd => (operators, brackets) = (0, 0),
            Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Int128(_) | Token::Float(_) => {}
            // Listed items do not nest.
            Token::Comma | Token::Colon => {}
            Token::Ident(word) => operators += usize::from(is_operator(word)),
            Token::BracketOpen | Token::ParenOpen | Token::BraceOpen => {
                brackets += 1;
                operators += 1;
            }
            Token::BracketClose | Token::ParenClose | Token::BraceClose => {
                brackets = brackets.saturating_sub(1);
            }
            Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::FloorDiv
            | Token::Pow
            | Token::Mod
            | Token::Dot
            | Token::Tilde
            | Token::Assign
            | Token::Pipe
            | Token::Eq
            | Token::Ne
            | Token::Gt
            | Token::Gte
            | Token::Lt
            | Token::Lte => operators += 1,
        }
        let what = match (operators > MOST_OPERATORS, brackets > MOST_BRACKETS) {
            (true, _) => format!("more than {MOST_OPERATORS} operators in one expression"),
            (_, true) => format!("more than {MOST_BRACKETS} nested brackets"),
            (false, false) => continue,
        };
        let span = span.start_offset as usize..span.end_offset as usize;
        return Some(TemplateMistake { fault: TemplateFault::Syntax(what), span });
    }
    None
}

fn is_operator(word: &str) -> bool {
    matches!(word, "not" | "and" | "or" | "if" | "else" | "in" | "is")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(text: &str) -> Option<String> {
        let mistake = too_deep(text, true)?;
        let TemplateFault::Syntax(what) = mistake.fault else { return None };
        Some(what)
    }

    #[test]
    fn long_lists_are_good_and_deep_expressions_are_not() {
        assert_eq!(reported(&format!("[{}]", "1, ".repeat(5000))), None);
        assert_eq!(reported(&format!("{}a", "not ".repeat(400))), None);
        assert_eq!(too_deep(&"{{ a.b | upper }}".repeat(1000), false), None);
        for deep in ["-", "not ", "a|upper|", "(a)", "a.", "a if b else ", "1 - ", "a ~ ", "a and "] {
            assert_eq!(reported(&deep.repeat(3000)).unwrap(), "more than 500 operators in one expression");
        }
        assert_eq!(reported(&"[a".repeat(100)).unwrap(), "more than 50 nested brackets");
    }
}
