package oracle;

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.net.URLEncoder;
import java.text.SimpleDateFormat;
import java.time.DayOfWeek;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.time.temporal.TemporalAdjusters;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.LinkedList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import org.springframework.core.convert.TypeDescriptor;
import org.springframework.expression.AccessException;
import org.springframework.expression.ConstructorExecutor;
import org.springframework.expression.EvaluationContext;
import org.springframework.expression.EvaluationException;
import org.springframework.expression.MethodExecutor;
import org.springframework.expression.PropertyAccessor;
import org.springframework.expression.TypeLocator;
import org.springframework.expression.TypedValue;
import org.springframework.expression.spel.SpelEvaluationException;
import org.springframework.expression.spel.SpelMessage;
import org.springframework.expression.spel.support.ReflectiveConstructorResolver;
import org.springframework.expression.spel.support.ReflectiveMethodResolver;
import org.springframework.expression.spel.support.ReflectivePropertyAccessor;
import org.springframework.expression.spel.support.StandardTypeLocator;

/** What an expression can reach: the lists of Spinnaker, and a clock that stands still. */
final class Access {
  static final Instant NOW = Instant.parse("2026-11-22T10:11:12.345Z");
  static final UUID RANDOM_UUID = UUID.fromString("01234567-89ab-4cde-8f01-23456789abcd");

  static final Set<Class<?>> TYPES =
      Set.of(
          String.class, Date.class, Integer.class, Long.class, Double.class, Byte.class, Boolean.class, Math.class,
          SimpleDateFormat.class, Random.class, UUID.class, LocalDate.class, LocalDateTime.class, DayOfWeek.class,
          Instant.class, ChronoUnit.class, TemporalAdjusters.class, URLEncoder.class);

  private static final Set<Class<?>> RETURNED =
      Set.of(
          Collection.class, Map.class, SortedMap.class, List.class, Set.class, SortedSet.class, ArrayList.class,
          LinkedList.class, HashSet.class, LinkedHashSet.class, HashMap.class, LinkedHashMap.class, TreeMap.class,
          TreeSet.class, Model.Execution.class, Model.Stage.class, Model.Status.class, Model.Authentication.class);

  /** What Spinnaker refuses only because its list of return types knows no generics: the open reach has these too. */
  private static final Set<Class<?>> RETURNED_OPEN =
      Set.of(Object.class, Number.class, Comparable.class, CharSequence.class, Float.class, Short.class, Character.class);

  private Access() {}

  record Returns(boolean open) {
    boolean allows(Class<?> type) {
      Class<?> one = type.isArray() ? type.getComponentType() : type;
      return one.isPrimitive() || TYPES.contains(one) || RETURNED.contains(one) || (open && RETURNED_OPEN.contains(one));
    }
  }

  /** {@code T(…)} and {@code new}. */
  static final class Types implements TypeLocator {
    private final TypeLocator all = new StandardTypeLocator();

    @Override
    public Class<?> findType(String name) throws EvaluationException {
      Class<?> type = all.findType(name);
      if (TYPES.contains(type)) {
        return type;
      }
      throw new SpelEvaluationException(SpelMessage.TYPE_NOT_FOUND, name);
    }
  }

  /** Keys of a map; one that is not there has no value, or is refused. */
  record Maps(boolean unknown) implements PropertyAccessor {
    @Override
    public Class<?>[] getSpecificTargetClasses() {
      return new Class<?>[] {Map.class};
    }

    @Override
    public boolean canRead(EvaluationContext context, Object target, String name) {
      return unknown || ((Map<?, ?>) target).containsKey(name);
    }

    @Override
    public TypedValue read(EvaluationContext context, Object target, String name) throws AccessException {
      Map<?, ?> map = (Map<?, ?>) target;
      Object value = map.get(name);
      if (value == null && !unknown && !map.containsKey(name)) {
        throw new AccessException("there is no key '" + name + "'");
      }
      return new TypedValue(value);
    }

    @Override
    public boolean canWrite(EvaluationContext context, Object target, String name) {
      return true;
    }

    @Override
    @SuppressWarnings("unchecked")
    public void write(EvaluationContext context, Object target, String name, Object value) {
      ((Map<Object, Object>) target).put(name, value);
    }
  }

  /** Getters and fields, by what they return. */
  static final class Properties extends ReflectivePropertyAccessor {
    private final Returns returns;

    Properties(Returns returns) {
      this.returns = returns;
    }

    @Override
    protected Method findGetterForProperty(String name, Class<?> type, boolean isStatic) {
      Method getter = super.findGetterForProperty(name, type, isStatic);
      if (getter == null && returns.open()) {
        return null;
      }
      // Spinnaker throws here and so never comes to the fields: no constant of a type can be read.
      if (getter == null || !returns.allows(getter.getReturnType())) {
        throw new IllegalArgumentException("no getter for " + name + " of " + type + " that is allowed");
      }
      return getter;
    }

    @Override
    protected Field findField(String name, Class<?> type, boolean isStatic) {
      Field field = super.findField(name, type, isStatic);
      if (field == null && returns.open()) {
        return null;
      }
      if (field == null || !returns.allows(field.getType())) {
        throw new IllegalArgumentException("no field " + name + " of " + type + " that is allowed");
      }
      return field;
    }
  }

  /** Methods, by what they return; none of {@code Class}, of {@code Object} only the three that are harmless. */
  static final class Methods extends ReflectiveMethodResolver {
    private static final Set<String> OF_OBJECT = Set.of("equals", "hashCode", "toString");
    private static final Set<String> SYSTEM_PROPERTIES = Set.of("getBoolean", "getInteger", "getLong");
    private final Returns returns;

    Methods(Returns returns) {
      this.returns = returns;
    }

    @Override
    protected Method[] getMethods(Class<?> type) {
      List<Method> allowed = new ArrayList<>();
      for (Method method : super.getMethods(type)) {
        Class<?> of = method.getDeclaringClass();
        boolean refused =
            of == Class.class
                || (of == Object.class && !OF_OBJECT.contains(method.getName()))
                || (Set.of(Boolean.class, Integer.class, Long.class).contains(of)
                    && SYSTEM_PROPERTIES.contains(method.getName()));
        if (!refused && returns.allows(method.getReturnType())) {
          allowed.add(method);
        }
      }
      return allowed.toArray(new Method[0]);
    }

    @Override
    public MethodExecutor resolve(
        EvaluationContext context, Object target, String name, List<TypeDescriptor> arguments) throws AccessException {
      Object fixed = target instanceof Class<?> type && arguments.isEmpty() ? fixed(type, name) : null;
      return fixed == null
          ? super.resolve(context, target, name, arguments)
          : (c, t, a) -> new TypedValue(fixed);
    }

    private static Object fixed(Class<?> type, String name) {
      if (type == UUID.class && name.equals("randomUUID")) {
        return RANDOM_UUID;
      }
      if (!name.equals("now")) {
        return null;
      }
      if (type == Instant.class) {
        return NOW;
      }
      LocalDateTime now = LocalDateTime.ofInstant(NOW, ZoneOffset.UTC);
      return type == LocalDateTime.class ? now : type == LocalDate.class ? now.toLocalDate() : null;
    }
  }

  /** {@code new java.util.Date()} is the fixed moment. */
  static final class Constructors extends ReflectiveConstructorResolver {
    @Override
    public ConstructorExecutor resolve(EvaluationContext context, String type, List<TypeDescriptor> arguments)
        throws AccessException {
      if (arguments.isEmpty() && context.getTypeLocator().findType(type) == Date.class) {
        return (c, a) -> new TypedValue(Date.from(NOW));
      }
      return super.resolve(context, type, arguments);
    }
  }
}
