//! Merges several streams into one, without a fixed order.

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};

/// Merges streams; it ends when all of them have.
pub fn merge<T: Send + 'static>(mut inputs: Vec<BoxStream<'static, T>>) -> BoxStream<'static, T> {
    match inputs.len() {
        1 => inputs.remove(0),
        _ => stream::select_all(inputs).boxed(),
    }
}
