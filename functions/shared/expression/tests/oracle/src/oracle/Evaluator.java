package oracle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.springframework.expression.ConstructorResolver;
import org.springframework.expression.Expression;
import org.springframework.expression.ParserContext;
import org.springframework.expression.common.CompositeStringExpression;
import org.springframework.expression.common.TemplateParserContext;
import org.springframework.expression.spel.SpelEvaluationException;
import org.springframework.expression.spel.SpelParseException;
import org.springframework.expression.spel.standard.SpelExpressionParser;
import org.springframework.expression.spel.support.StandardEvaluationContext;

/** Evaluates a text as a Spinnaker stage does: the same parser, the same ways into objects, the same functions. */
final class Evaluator {
  static final ParserContext TEMPLATE = new TemplateParserContext("${", "}");
  private final ObjectMapper json = new ObjectMapper();
  final SpelExpressionParser parser = new SpelExpressionParser();

  void answer(JsonNode asked, ObjectNode answer) {
    boolean open = "open".equals(asked.path("reach").asText());
    boolean unknown = asked.path("unknown").asBoolean(true);
    try {
      Map<String, Object> root = root(asked.get("context"));
      Object value = evaluate(asked.get("text").asText(), context(root, open, unknown));
      answer.set("value", Answers.json(value, 0));
      answer.put("type", value == null ? "null" : value.getClass().getName());
    } catch (StackOverflowError error) {
      refuse(answer, error, "stack overflow");
    } catch (Throwable error) {
      refuse(answer, error, String.valueOf(error.getMessage()));
    }
  }

  private static void refuse(ObjectNode answer, Throwable error, String message) {
    answer.remove(List.of("value", "type"));
    answer.put("error", message);
    String code = error.getClass().getSimpleName();
    if (error instanceof SpelEvaluationException refused) {
      code = refused.getMessageCode().name();
    } else if (error instanceof SpelParseException refused) {
      code = refused.getMessageCode().name();
    }
    answer.put("code", code);
  }

  /** The context as the evaluator of a stage gets it: maps, but the execution is an object. */
  @SuppressWarnings("unchecked")
  Map<String, Object> root(JsonNode context) {
    Map<String, Object> root = json.convertValue(context, LinkedHashMap.class);
    if (root == null) {
      root = new LinkedHashMap<>();
    }
    if (root.get("execution") instanceof Map) {
      root.put("execution", new Model.Execution((Map<String, Object>) root.get("execution")));
    }
    return root;
  }

  StandardEvaluationContext context(Map<String, Object> root, boolean open, boolean unknown) {
    StandardEvaluationContext context = new StandardEvaluationContext(root);
    Access.Returns returns = new Access.Returns(open);
    context.setTypeLocator(new Access.Types());
    context.setMethodResolvers(List.of(new Access.Methods(returns)));
    context.setPropertyAccessors(List.of(new Access.Maps(unknown), new Access.Properties(returns)));
    List<ConstructorResolver> constructors = List.of(new Access.Constructors());
    context.setConstructorResolvers(constructors);
    Functions.register(context);
    return context;
  }

  Expression parse(String text) {
    return parser.parseExpression(Functions.withExecution(text), TEMPLATE);
  }

  Object evaluate(String text, StandardEvaluationContext context) {
    // A text without an expression is never given to the parser.
    return text.contains("${") ? evaluate(parse(text), context) : text;
  }

  /** One expression keeps its type. Of several parts one without a value leaves the whole unresolved. */
  static Object evaluate(Expression expression, StandardEvaluationContext context) {
    if (!(expression instanceof CompositeStringExpression composite)) {
      return expression.getValue(context);
    }
    StringBuilder text = new StringBuilder();
    boolean resolved = true;
    for (Expression part : composite.getExpressions()) {
      String value = part.getValue(context, String.class);
      resolved &= value != null;
      text.append(value);
    }
    return resolved ? text.toString() : null;
  }
}
