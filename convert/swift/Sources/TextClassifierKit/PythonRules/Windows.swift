/// A part of a text that a model reads at once, by the same rules as `mlx_finbert.data.windows`.
package struct Window: Sendable, Hashable {
    /// The positions of its tokens in the text, without special tokens.
    package let tokens: Range<Int>
    /// The share of the text's tokens that no earlier window contains: the weight of the window's
    /// probabilities. So each token counts once, in the first window that contains it.
    package let weight: Double

    /// Overlapping windows over a text of `count` tokens.
    ///
    /// - Parameters:
    ///   - count: the text's tokens, without special tokens.
    ///   - room: the most tokens of a window, without special tokens.
    ///   - overlap: the tokens that neighbouring windows share, below `room`. The last window ends
    ///     with its text and may share more.
    package static func over(_ count: Int, room: Int, overlap: Int) -> [Window] {
        let last = max(count - room, 0)
        var seen = 0
        return (Array(stride(from: 0, to: last, by: room - overlap)) + [last]).map { start in
            let end = min(start + room, count)
            defer { seen = end }
            return Window(
                tokens: start..<end, weight: count > 0 ? Double(end - seen) / Double(count) : 1)
        }
    }
}
