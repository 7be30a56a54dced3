import SwiftUI
import TextClassifierApp

#if os(iOS)
    import UIKit
#else
    import AppKit
#endif

/// Runs golden.json on this machine, and shows what came out as text to copy.
struct CheckView: View {
    let model: ClassifierModel
    let check: Check

    var body: some View {
        VStack(alignment: .leading, spacing: 12) {
            HStack(spacing: 12) {
                Button("Check") { Task { await model.runCheck() } }.disabled(check.isRunning)
                Button("Copy") { copy(check.text) }.disabled(check.text.isEmpty)
                if check.isRunning { ProgressView().controlSize(.small) }
            }
            ScrollView {
                Text(check.text).monospaced().textSelection(.enabled)
                    .frame(maxWidth: .infinity, alignment: .leading)
            }
        }
    }

    private func copy(_ text: String) {
        #if os(iOS)
            UIPasteboard.general.string = text
        #else
            NSPasteboard.general.clearContents()
            NSPasteboard.general.setString(text, forType: .string)
        #endif
    }
}
