/// What happens to a text that is longer than the model's longest row.
public struct LongTexts: Sendable, Hashable {
    /// The beginning is read, the end is not.
    public static let cut = LongTexts(overlap: nil, isCut: true)

    /// The whole text is read, in windows that share a quarter of a row. Their probabilities are
    /// averaged, each token counting once.
    public static let windows = LongTexts(overlap: nil, isCut: false)

    /// The whole text is read, in windows that share this number of tokens.
    public static func windows(overlap: Int) -> LongTexts {
        LongTexts(overlap: overlap, isCut: false)
    }

    private let overlap: Int?
    private let isCut: Bool

    /// The rows of a text.
    ///
    /// - Parameter length: the tokens of the longest row, with special tokens.
    func rows(of text: String, length: Int, by tokenizer: Tokenizer) throws -> TextRows {
        if isCut {
            let encoding = tokenizer.encode(text, maxLength: length)
            return TextRows(
                rows: [encoding.inputIDs], weights: [1], tokens: encoding.inputIDs.count,
                isTruncated: encoding.isTruncated)
        }
        let room = length - tokenizer.specialTokenCount
        let overlap = try checkedOverlap(length: length, room: room)
        let pieces = tokenizer.pieces(of: text)
        let windows = Window.over(pieces.count, room: room, overlap: overlap)
        return TextRows(
            rows: windows.map { tokenizer.row(of: pieces[$0.tokens]) },
            weights: windows.map(\.weight), tokens: pieces.count + tokenizer.specialTokenCount,
            isTruncated: false)
    }

    private func checkedOverlap(length: Int, room: Int) throws -> Int {
        let overlap = overlap ?? min(length / 4, room - 1)
        guard (0..<room).contains(overlap) else {
            throw TextClassifierError.overlap(overlap, most: room - 1)
        }
        return overlap
    }
}

/// The rows that a model reads of one text.
struct TextRows: Sendable {
    let rows: [[Int32]]
    /// The weight of each row's probabilities; they sum to 1.
    let weights: [Double]
    /// The tokens of all that is read, with special tokens.
    let tokens: Int
    let isTruncated: Bool

    /// The weighted mean of the rows' probabilities.
    func mean(_ probabilities: ArraySlice<[Double]>) -> [Double] {
        let sums = [Double](repeating: 0, count: probabilities.first?.count ?? 0)
        return zip(probabilities, weights).reduce(sums) { sums, row in
            zip(sums, row.0).map { $0 + $1 * row.1 }
        }
    }
}
