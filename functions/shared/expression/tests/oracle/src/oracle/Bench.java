package oracle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.springframework.expression.Expression;
import org.springframework.expression.spel.support.StandardEvaluationContext;

/** How long all texts of a document take here: parsed once and used again, and as Spinnaker does it, parsed each time. */
final class Bench {
  private Bench() {}

  static void run(JsonNode asked, ObjectNode answer) {
    Evaluator evaluator = new Evaluator();
    Map<String, Object> root = evaluator.root(asked.get("context"));
    List<String> texts = new ArrayList<>();
    asked.get("texts").forEach(text -> texts.add(text.asText()));
    StandardEvaluationContext context = evaluator.context(root, false, true);
    List<Expression> parsed = new ArrayList<>();
    texts.stream().filter(text -> text.contains("${")).forEach(text -> parsed.add(evaluator.parse(text)));
    int rounds = asked.get("rounds").asInt();
    long[] reused = new long[rounds];
    long[] fresh = new long[rounds];
    for (int round = 0; round < rounds; round++) {
      long start = System.nanoTime();
      parsed.forEach(expression -> Evaluator.evaluate(expression, context));
      reused[round] = System.nanoTime() - start;
      start = System.nanoTime();
      StandardEvaluationContext own = evaluator.context(root, false, true);
      texts.forEach(text -> evaluator.evaluate(text, own));
      fresh[round] = System.nanoTime() - start;
    }
    answer.set("reusedNs", late(reused));
    answer.set("freshNs", late(fresh));
  }

  /** The last half of the rounds, when the machine is warm. */
  private static JsonNode late(long[] times) {
    ArrayNode array = JsonNodeFactory.instance.arrayNode();
    for (int at = times.length / 2; at < times.length; at++) {
      array.add(times[at]);
    }
    return array;
  }
}
