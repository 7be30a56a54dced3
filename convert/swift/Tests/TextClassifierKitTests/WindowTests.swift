import Testing

@testable import TextClassifierKit

@Suite("Windows") struct WindowTests {
    @Test func theLastWindowEndsWithItsText() {
        let windows = Window.over(10, room: 4, overlap: 1)
        #expect(windows.map(\.tokens) == [0..<4, 3..<7, 6..<10])
        #expect(windows.map(\.weight) == [0.4, 0.3, 0.3])
        #expect(Window.over(5, room: 4, overlap: 0).map(\.tokens) == [0..<4, 1..<5])
    }

    @Test func aShortTextIsOneWindow() {
        #expect(Window.over(0, room: 4, overlap: 1) == [Window(tokens: 0..<0, weight: 1)])
        #expect(Window.over(4, room: 4, overlap: 1) == [Window(tokens: 0..<4, weight: 1)])
    }

    @Test func probabilitiesAreAveragedByWeight() {
        let rows = TextRows(rows: [[1], [2]], weights: [0.75, 0.25], tokens: 4, isTruncated: false)
        #expect(rows.mean([[1, 0], [0, 1]]) == [0.75, 0.25])
    }

    @Test func anOverlapLeavesRoomForATokenOfItsOwn() throws {
        let tokenizer = try Tokenizer(metadata: metadata)
        #expect(throws: TextClassifierError.overlap(6, most: 5)) {
            try LongTexts.windows(overlap: 6).rows(of: "a", length: 8, by: tokenizer)
        }
        let text = "a b a b a b a b"
        let rows = try LongTexts.windows(overlap: 5).rows(of: text, length: 8, by: tokenizer)
        let fromA: [Int32] = [2, 4, 5, 4, 5, 4, 5, 3]
        let fromB: [Int32] = [2, 5, 4, 5, 4, 5, 4, 3]
        #expect(rows.rows == [fromA, fromB, fromA])
        #expect(rows.tokens == 10 && !rows.isTruncated)
        let cut = try LongTexts.cut.rows(of: text, length: 8, by: tokenizer)
        #expect(cut.rows == [fromA] && cut.tokens == 8 && cut.isTruncated)
    }
}

/// The metadata of an export with a vocabulary of two words.
let metadata = [
    "mlx_finbert.labels": "[\"positive\", \"negative\"]",
    "mlx_finbert.lengths": "[32, 8]",
    "mlx_finbert.options": """
        {"batch": 1, "multifunction": true, "shapes": "fixed", "layout": "ane"}
        """,
    "mlx_finbert.vocabulary": "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n",
    "mlx_finbert.tokenizer": """
        {"kind": "wordpiece", "lowercase": true, "strip_accents": true, "clean_text": true,
        "handle_chinese_chars": true, "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "added_tokens": [], "special_tokens": {
        "pad": {"token": "[PAD]", "id": 0}, "unk": {"token": "[UNK]", "id": 1},
        "cls": {"token": "[CLS]", "id": 2}, "sep": {"token": "[SEP]", "id": 3}}}
        """,
]
