package oracle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.reflect.Array;
import java.math.BigInteger;
import java.util.Date;
import java.util.Map;

/** A value as JSON. What JSON has no form for is {@code {"$java": class, "text": …}}; the tests say what it is for us. */
final class Answers {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
  private static final int DEPTH_MAX = 100;

  private Answers() {}

  static JsonNode json(Object value, int depth) {
    if (depth > DEPTH_MAX) {
      throw new IllegalStateException("the value is too deep");
    }
    if (value == null) {
      return JSON.nullNode();
    }
    if (value instanceof Boolean flag) {
      return JSON.booleanNode(flag);
    }
    if (value instanceof String text) {
      return JSON.textNode(text);
    }
    if (value instanceof Number number) {
      return number(number);
    }
    if (value instanceof Map<?, ?> map) {
      return object(map, depth);
    }
    if (value instanceof Iterable<?> items) {
      ArrayNode array = JSON.arrayNode();
      items.forEach(item -> array.add(json(item, depth + 1)));
      return array;
    }
    if (value instanceof byte[] bytes) {
      return JSON.binaryNode(bytes);
    }
    if (value.getClass().isArray()) {
      ArrayNode array = JSON.arrayNode();
      for (int at = 0; at < Array.getLength(value); at++) {
        array.add(json(Array.get(value, at), depth + 1));
      }
      return array;
    }
    return other(value, depth);
  }

  /** Whole numbers as they are; of the others the digits, or whoever reads them would round once more. */
  private static JsonNode number(Number number) {
    if (number instanceof Integer || number instanceof Long || number instanceof Short || number instanceof Byte) {
      return JSON.numberNode(number.longValue());
    }
    return number instanceof BigInteger whole ? JSON.numberNode(whole) : tagged(number);
  }

  private static JsonNode object(Map<?, ?> map, int depth) {
    ObjectNode object = JSON.objectNode();
    map.forEach((key, value) -> object.set(String.valueOf(key), json(value, depth + 1)));
    return object;
  }

  private static JsonNode other(Object value, int depth) {
    if (value instanceof Model.Document document) {
      return json(document.source(), depth + 1);
    }
    if (value instanceof Functions.Kept kept) {
      return json(kept.getExpression(), depth + 1);
    }
    if (value instanceof Model.Status) {
      return JSON.textNode(value.toString());
    }
    if (value instanceof Map.Entry<?, ?> entry) {
      ObjectNode object = JSON.objectNode();
      object.set(String.valueOf(entry.getKey()), json(entry.getValue(), depth + 1));
      return object;
    }
    return tagged(value);
  }

  private static JsonNode tagged(Object value) {
    ObjectNode object = JSON.objectNode();
    object.put("$java", value.getClass().getName());
    object.put("text", value.toString());
    if (value instanceof Date date) {
      object.put("millis", date.getTime());
    }
    return object;
  }
}
