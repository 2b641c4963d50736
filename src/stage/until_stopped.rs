//! The end of a stream when the run is stopped.

use std::future::ready;

use futures::{StreamExt, stream::BoxStream};
use tokio_util::sync::CancellationToken;

/// The items up to a stop. Later ones are discarded, and the input is read to its end: a stage above finishes the requests
/// that it has sent, and stores their answers, only while something reads it.
pub fn until_stopped<T: Send + 'static>(
    input: BoxStream<'static, T>,
    stop: CancellationToken,
) -> BoxStream<'static, T> {
    input.filter(move |_| ready(!stop.is_cancelled())).boxed()
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    #[tokio::test]
    async fn the_input_is_read_to_its_end() {
        let stop = CancellationToken::new();
        let (read, stops) = (std::sync::Arc::new(std::sync::Mutex::new(Vec::new())), stop.clone());
        let seen = std::sync::Arc::clone(&read);
        let input = stream::iter(0..5).inspect(move |item| {
            seen.lock().unwrap().push(*item);
            if *item == 2 {
                stops.cancel();
            }
        });
        let items: Vec<i32> = until_stopped(input.boxed(), stop).collect().await;
        assert_eq!((items, read.lock().unwrap().clone()), (vec![0, 1], vec![0, 1, 2, 3, 4]));
    }
}
