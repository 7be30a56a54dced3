import SwiftUI
import TextClassifierApp
import UniformTypeIdentifiers

/// A CSV file: dropped or opened, scored, exported.
struct TableView: View {
    let model: ClassifierModel
    @Bindable var table: TableScoring
    @State private var isOpening = false
    @State private var isExporting = false

    var body: some View {
        VStack(alignment: .leading, spacing: 12) {
            Text(table.stateText).textSelection(.enabled)
            if case .scoring(let done, let all) = table.state {
                ProgressView(value: Double(done), total: Double(all))
            }
            if let columns = table.table?.header {
                Picker("Texts are in", selection: $table.textColumn) {
                    ForEach(columns.indices, id: \.self) { i in Text(columns[i]).tag(i) }
                }
            }
            HStack(spacing: 12) {
                Button("Open…") { isOpening = true }
                if table.isScoring {
                    Button("Stop") { table.cancel() }
                } else {
                    Button("Score") { Task { await model.scoreTable() } }.disabled(
                        table.table == nil)
                }
                Button("Export…") { isExporting = true }.disabled(table.scored == nil)
            }
            Spacer()
        }
        .fileImporter(
            isPresented: $isOpening, allowedContentTypes: [.commaSeparatedText, .plainText]
        ) { result in
            switch result {
            case .success(let file): open(file)
            case .failure(let error): table.fail(with: error)
            }
        }
        .fileExporter(
            isPresented: $isExporting, document: table.scored.map(CSVDocument.init(table:)),
            contentType: .commaSeparatedText, defaultFilename: "\(table.name)-scored"
        ) { result in
            if case .failure(let error) = result { table.fail(with: error) }
        }
    }

    /// The sandbox lends a chosen file for as long as it is asked for.
    private func open(_ file: URL) {
        Task {
            let isLent = file.startAccessingSecurityScopedResource()
            await table.open(file)
            if isLent { file.stopAccessingSecurityScopedResource() }
        }
    }
}

struct CSVDocument: FileDocument {
    static let readableContentTypes: [UTType] = [.commaSeparatedText]
    let table: CSV

    init(table: CSV) { self.table = table }

    init(configuration: ReadConfiguration) throws {
        table = try CSV(configuration.file.regularFileContents ?? Data())
    }

    func fileWrapper(configuration: WriteConfiguration) throws -> FileWrapper {
        FileWrapper(regularFileWithContents: table.data)
    }
}
