/// The classes of a scalar that decide where words and added tokens end.
struct CharacterClass: OptionSet, Sendable {
    let rawValue: UInt8

    static let whiteSpace = Self(rawValue: 1)
    /// A word of its own for BERT.
    static let punctuation = Self(rawValue: 2)
    static let letter = Self(rawValue: 4)
    static let number = Self(rawValue: 8)
    /// Part of a word for an added token with `single_word`.
    static let word = Self(rawValue: 16)

    /// The classes of each scalar, for all tokenizers of the process.
    static let table: ScalarTable<Self> = {
        var table = ScalarTable<Self>(repeating: [])
        let all: [(Self, [Int32])] = [
            (.whiteSpace, UnicodeTables.whiteSpace), (.punctuation, UnicodeTables.punctuation),
            (.letter, UnicodeTables.letters), (.number, UnicodeTables.numbers),
            (.word, UnicodeTables.word),
        ]
        for (one, ranges) in all {
            for (first, last) in scalarRanges(ranges) {
                for scalar in first...last { table[scalar].insert(one) }
            }
        }
        return table
    }()
}
