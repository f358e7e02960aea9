package oracle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.TimeZone;

/**
 * Reads one case a line from standard input, {@code {id, text, context}}, and answers each with one line: {@code {id,
 * value, type}} or {@code {id, error}}. A case may ask for more: {@code "reach": "open"} leaves the list of return types
 * out, {@code "unknown": false} refuses names a map does not have, {@code "rounds": N} measures. It ends with its input.
 */
public final class Main {
  private Main() {}

  public static void main(String[] arguments) throws Exception {
    TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
    Locale.setDefault(Locale.US);
    ObjectMapper json = new ObjectMapper();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
    Evaluator evaluator = new Evaluator();
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JsonNode asked = json.readTree(line);
      ObjectNode answer = json.createObjectNode();
      answer.set("id", asked.get("id"));
      if (asked.has("rounds")) {
        Bench.run(asked, answer);
      } else {
        evaluator.answer(asked, answer);
      }
      out.write(json.writeValueAsString(answer));
      out.write('\n');
      // Whoever asks one by one waits for this; whoever asks many has filled the buffer already.
      if (!in.ready()) {
        out.flush();
      }
    }
    out.flush();
  }
}
