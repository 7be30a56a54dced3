/// Splits normalized text into words, and words into pieces of the vocabulary.
struct WordPieces: Sendable {
    private let vocabulary: ByteTrie
    /// The node of the prefix that pieces within a word have.
    private let continuing: ByteTrie.Node
    private let maxScalars: Int
    private let unknownID: Int32
    private let classes = CharacterClass.table

    /// - Parameter vocabulary: the ids of all pieces.
    init(_ vocabulary: ByteTrie, rules: WordPieceRules, unknownID: Int32) {
        var vocabulary = vocabulary
        continuing = vocabulary.insert(rules.continuingSubwordPrefix.utf8)
        self.vocabulary = vocabulary
        maxScalars = rules.maxInputCharsPerWord
        self.unknownID = unknownID
    }

    /// Appends the ids of the pieces, until there are more than `limit` ids.
    func encode(_ text: UTF8Text, into ids: inout [Int32], limit: Int) {
        var index = 0
        while index < text.count, ids.count <= limit {
            let start = index
            var (scalar, next) = text.scalar(at: index)
            index = next
            let first = classes[scalar]
            if first.contains(.whiteSpace) { continue }
            var scalars = 1
            if !first.contains(.punctuation) {
                while index < text.count {
                    (scalar, next) = text.scalar(at: index)
                    if !classes[scalar].isDisjoint(with: [.whiteSpace, .punctuation]) { break }
                    index = next
                    scalars += 1
                }
            }
            encodeWord(text, start..<index, scalars: scalars, into: &ids)
        }
    }

    /// Appends the longest pieces from left to right. If a part has none, the word is unknown.
    @inline(__always)
    private func encodeWord(
        _ text: UTF8Text, _ word: Range<Int>, scalars: Int, into ids: inout [Int32]
    ) {
        let before = ids.count
        var start = word.lowerBound
        var node = ByteTrie.root
        while start < word.upperBound, scalars <= maxScalars,
            let (id, end) = vocabulary.longest(
                in: text, from: start, to: word.upperBound, after: node)
        {
            ids.append(id)
            start = end
            node = continuing
        }
        if start < word.upperBound {
            ids.removeSubrange(before...)
            ids.append(unknownID)
        }
    }
}
