/// Splits text into words, and words into byte pairs, as GPT-2 and RoBERTa do.
struct BytePairs: Sendable {
    private let merging: Merging
    private let addsPrefixSpace: Bool
    private let classes = CharacterClass.table

    /// - Parameters:
    ///   - vocabulary: the ids of all pieces.
    ///   - merges: pairs of pieces, one per line, in order.
    init(
        _ vocabulary: ByteTrie, merges: MetadataLines, rules: BytePairRules
    ) throws(TokenizerError) {
        var bytes: [Int32] = []
        for (byte, letter) in Self.letters.enumerated() {
            var spelled: [UInt8] = []
            spelled.append(scalar: letter)
            guard let id = vocabulary.value(of: spelled) else {
                throw .missingByte(UInt8(byte))
            }
            bytes.append(id)
        }
        merging = Merging(bytes: bytes, merges: try Merges(merges, vocabulary))
        addsPrefixSpace = rules.addPrefixSpace
    }

    /// The letter for each byte in a vocabulary: the byte's own character if it is printable.
    private static let letters: [UInt32] = {
        var next: UInt32 = 0x100
        return (0..<0x100).map { (byte: UInt32) in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return byte
            default:
                defer { next += 1 }
                return next
            }
        }
    }()

    /// Appends the ids of a text, until there are more than `limit` ids.
    func encode(_ text: UTF8Text, into ids: inout [Int32], limit: Int) {
        guard addsPrefixSpace, text.count > 0, text[0] != 0x20 else {
            return encodeWords(of: text, into: &ids, limit: limit)
        }
        ([0x20] + text).withUnsafeBufferPointer { encodeWords(of: $0, into: &ids, limit: limit) }
    }

    private func encodeWords(of text: UTF8Text, into ids: inout [Int32], limit: Int) {
        var start = 0
        while start < text.count, ids.count <= limit {
            let end = endOfWord(in: text, from: start)
            merging.merge(text.part(start..<end), into: &ids)
            start = end
        }
    }

    /// The end of a word by GPT-2's pattern:
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
    private func endOfWord(in text: UTF8Text, from start: Int) -> Int {
        if let end = endOfContraction(in: text, from: start) { return end }
        let (first, afterFirst) = kind(in: text, at: start)
        if first != .whiteSpace { return endOfRun(of: first, in: text, from: afterFirst) }
        if text[start] == 0x20, afterFirst < text.count {
            let (second, afterSecond) = kind(in: text, at: afterFirst)
            if second != .whiteSpace { return endOfRun(of: second, in: text, from: afterSecond) }
        }
        let end = endOfRun(of: .whiteSpace, in: text, from: afterFirst)
        // Of several spaces, the last one belongs to the word after them.
        let last = text.index(before: end)
        return end < text.count && last > start ? last : end
    }

    private func kind(in text: UTF8Text, at index: Int) -> (CharacterClass, next: Int) {
        let (scalar, next) = text.scalar(at: index)
        return (classes[scalar].intersection([.whiteSpace, .letter, .number]), next)
    }

    private func endOfRun(of kind: CharacterClass, in text: UTF8Text, from start: Int) -> Int {
        var index = start
        while index < text.count {
            let (found, next) = self.kind(in: text, at: index)
            if found != kind { break }
            index = next
        }
        return index
    }

    private func endOfContraction(in text: UTF8Text, from start: Int) -> Int? {
        guard text[start] == UInt8(ascii: "'"), start + 1 < text.count else { return nil }
        let second = start + 2 < text.count ? text[start + 2] : 0
        switch (text[start + 1], second) {
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _),
            (UInt8(ascii: "d"), _):
            return start + 2
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return start + 3
        default:
            return nil
        }
    }
}
